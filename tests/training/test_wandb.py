"""Runs in the real wandb, offline: what its files hold, and what happens when it fails."""

import json
import struct
from importlib.util import find_spec

import pytest
from started_run import StartedRun, row

from mlptrain.config.compose import compose
from mlptrain.errors import ConfigError, TrainingError
from mlptrain.loggers import logger

with_wandb = pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
BLOCK, HEADER = 32768, 7


class Sent:
    """What `wandb sync` would send of an output root's only run."""

    def __init__(self, root):
        import wandb
        from wandb.proto.wandb_internal_pb2 import Record

        wandb.teardown()  # as at the end of the process: waits until everything is written
        (file,) = root.glob("wandb/offline-run-*/run-*.wandb")
        self.rows, self.summary, self.files, self.exit_code = [], {}, [], None
        for content in chunks(file.read_bytes()):
            record = Record.FromString(content)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self.run = record.run
                self.config = values(record.run.config.update)
            elif kind == "history":
                self.rows.append(values(record.history.item))
            elif kind == "summary":
                self.summary |= values(record.summary.update)
            elif kind == "artifact":
                self.files += [entry.path for entry in record.artifact.manifest.contents]
            elif kind == "exit":
                self.exit_code = record.exit.exit_code


def values(items):
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


def chunks(content):
    """Yield the records of a `.wandb` file, which is a log of LevelDB's form."""
    place, part = HEADER, b""
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:  # the rest of a block is too short for a header
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + HEADER])
        place += HEADER
        part += content[place : place + length]
        place += length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield part
            part = b""


@pytest.fixture
def started(tmp_path, monkeypatch):
    """(name, *words) → a run below the output root; its folder is not the working directory."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "out put ñ"
    return lambda name, *words: StartedRun(
        root / name, "logger=wandb", f"output_root='{root}'", *words
    )


@with_wandb
def test_a_run_is_written_with_parameters_figures_files_and_group(started, tmp_path, capfd):
    run = started("grid/one", "tags=[try]", "model.dropout=0.25")
    run.train(3)
    run.finish()
    assert capfd.readouterr() == ("", "")
    assert "wandb:" not in run.log()
    sent = Sent(tmp_path / "out put ñ")
    assert (sent.run.display_name, sent.run.run_group) == ("one", "grid")
    assert (sent.run.project, list(sent.run.tags)) == ("mlptrain", ["try"])
    assert sent.config["model"]["dropout"] == 0.25
    assert (sent.config["sweep"], sent.config["seed"]) == ("grid", 42)
    assert [(r["_step"], r["loss"]) for r in sent.rows] == [(1, 1.0), (2, 1 / 2), (3, 1 / 3)]
    assert "val_loss" not in sent.rows[0]
    assert (sent.summary["status"], sent.summary["final/test_accuracy"]) == ("finished", 0.25)
    assert set(sent.files) == {
        "config.yaml", "metrics.json", "learning_curves.png", "model.keras", "train.log",
    }  # fmt: skip
    assert sent.exit_code == 0
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "home").exists()


@with_wandb
def test_a_resumed_run_keeps_its_id_and_has_all_epochs_once(started, tmp_path):
    run = started("one")
    run.train(2)
    run.record.interrupt("SIGTERM")
    run.logger.finish()
    first = Sent(tmp_path / "out put ñ")
    assert (first.exit_code, first.summary["reason"]) == (1, "SIGTERM")
    run.resume()
    run.train(4, after=[row(1), row(2), row(3)])  # killed after its checkpoint, before its logger
    run.finish()
    sent = Sent(tmp_path / "out put ñ")
    assert sent.run.run_id == first.run.run_id
    assert [r["_step"] for r in sent.rows] == [1, 2, 3, 4]
    assert sent.exit_code == 0


@with_wandb
def test_an_edited_id_removes_no_files_of_others(started, tmp_path):
    runs = tmp_path / "out put ñ" / "wandb"
    (runs / "offline-run-1-ours").mkdir(parents=True)
    run = started("one")
    run.record.folder.update_run(wandb={"id": "*"})
    run.train(1)
    run.finish()
    assert (runs / "offline-run-1-ours").is_dir()
    assert "wandb:" not in run.log()


@with_wandb
def test_a_run_that_fails_before_its_first_epoch_is_there_too(started, tmp_path):
    run = started("one")
    run.record.fail(TrainingError("a", "no images", "b"))
    run.logger.finish()
    sent = Sent(tmp_path / "out put ñ")
    assert (sent.exit_code, sent.summary["status"]) == (1, "failed")
    assert "no images" in sent.summary["reason"]


@with_wandb
def test_a_folder_that_cannot_be_written_costs_one_line(started, tmp_path, capfd):
    run = started("one")
    (tmp_path / "out put ñ" / "wandb").write_text("a file stands in its place")
    run.train(2)
    run.finish()
    assert run.log().count("wandb:") == 1
    assert run.record.folder.status() == "finished"
    assert capfd.readouterr() == ("", "")


@with_wandb
def test_a_server_that_is_not_there_costs_one_line(started, monkeypatch, capfd):
    import wandb

    wandb.teardown()  # reads the environment anew
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "1")
    run = started("one", "logger.mode=online")
    run.config.logger.check_ready()
    run.train(2)
    run.finish()
    assert run.log().count("wandb:") == 1
    assert run.record.folder.status() == "finished"
    assert capfd.readouterr() == ("", "")


def test_without_the_library_or_a_login_training_is_refused(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    offline, online = (
        compose(["logger=wandb", f"logger.mode={mode}"]).config.logger
        for mode in ("offline", "online")
    )
    monkeypatch.setattr(logger, "find_spec", lambda package: None)
    with pytest.raises(ConfigError, match=r"pip install 'mlptrain\[wandb\]'"):
        offline.check_ready()
    monkeypatch.setattr(logger, "find_spec", lambda package: package)
    offline.check_ready()
    with pytest.raises(ConfigError, match="wandb login"):
        online.check_ready()
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password " + "0" * 40)
    online.check_ready()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["logger=wandb", "logger.mode=disabled"], "offline"),
        (["logger=wandb", "logger.project=a/b"], "logger.project"),
        (["logger=wandb", "+logger.uri=http://host"], "logger.uri"),
        (["logger.name=wandb"], "logger=wandb"),
        (["logger=wandbb"], "logger=wandb"),
    ],
)
def test_what_is_refused_says_what_is_right(words, message):
    with pytest.raises(ConfigError) as refused:
        compose(words)
    assert message in str(refused.value)
