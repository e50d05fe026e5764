"""What `run.json`, the log and the heartbeat record over the life of a run."""

import json
import os
from datetime import datetime

import pytest
import yaml

import mlptrain
from mlptrain import machine as environment
from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash, recipe_hash
from mlptrain.config.validation import validate
from mlptrain.store import names
from mlptrain.store import run_record as record_module
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord, write_hydra

CONFIG = compose(["data=cifar10_mini", "seed=7"]).config


@pytest.fixture
def record(tmp_path):
    record = RunRecord(RunFolder.create(tmp_path / "outputs", config_hash(CONFIG)))
    record.start(CONFIG, ["mlptrain", "data=cifar10_mini", "seed=7"])
    return record


def run_json(record):
    return json.loads(record.folder.file(names.RUN).read_text())


def test_a_started_run_records_its_facts(record):
    facts = run_json(record)
    assert list(facts) == [
        "schema_version", "run_id", "status", "reason", "config_hash", "recipe_hash", "config",
        "seed", "command", "started", "finished", "versions", "git", "data", "machine",
        "slurm_job", "speed", "resumed",
    ]  # fmt: skip
    assert (facts["status"], facts["reason"], facts["finished"]) == ("running", None, None)
    assert facts["run_id"] == record.folder.path.name
    assert facts["config_hash"] == config_hash(CONFIG)
    assert facts["recipe_hash"] == recipe_hash(CONFIG)
    assert facts["seed"] == 7
    assert facts["command"] == ["mlptrain", "data=cifar10_mini", "seed=7"]
    assert datetime.fromisoformat(facts["started"]).utcoffset().total_seconds() == 0
    assert {"python", "tensorflow", "keras", "numpy", "mlptrain"} == set(facts["versions"])


def test_the_config_is_in_both_files_and_valid(record):
    from_yaml = yaml.safe_load(record.folder.file(names.CONFIG).read_text())
    assert from_yaml == run_json(record)["config"]
    assert config_hash(validate(from_yaml)) == config_hash(CONFIG)


def test_a_finished_run_records_its_time(record):
    record.finish({})
    facts = run_json(record)
    assert (facts["status"], facts["reason"]) == ("finished", None)
    assert facts["finished"] >= facts["started"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("the loss is nan"), "ValueError: the loss is nan"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_failed_run_records_the_reason_and_the_traceback(record, error, reason):
    try:
        raise error
    except type(error) as caught:
        record.fail(caught)
    facts = run_json(record)
    assert (facts["status"], facts["reason"]) == ("failed", reason)
    log = record.folder.file(names.LOG).read_text()
    assert "Traceback" in log
    assert reason in log


def test_an_interrupted_run_can_be_resumed_and_finish(record):
    record.interrupt("SIGTERM")
    assert (run_json(record)["status"], run_json(record)["reason"]) == ("interrupted", "SIGTERM")
    record.resume()
    facts = run_json(record)
    assert (facts["status"], facts["reason"], facts["finished"]) == ("running", None, None)
    assert len(facts["resumed"]) == 1
    record.interrupt("SIGINT")
    record.resume()
    record.finish({})
    assert run_json(record)["status"] == "finished"
    assert len(run_json(record)["resumed"]) == 2


def test_data_and_machine_are_added_later(record):
    record.facts({"name": "cifar10_mini", "sizes": {"train": 1800}}, {"cores": 2})
    facts = run_json(record)
    assert facts["data"]["sizes"] == {"train": 1800}
    assert facts["machine"] == {"cores": 2}
    assert facts["status"] == "running"


def test_the_heartbeat_is_written_at_intervals(record, monkeypatch):
    heartbeat = record.folder.file(names.HEARTBEAT)
    assert json.loads(heartbeat.read_text())["process"] == os.getpid()
    heartbeat.unlink()
    record.heartbeat()
    assert not heartbeat.exists()
    monkeypatch.setattr(record_module, "HEARTBEAT_SECONDS", 0.0)
    record.heartbeat()
    assert set(json.loads(heartbeat.read_text())) == {"process", "host", "time"}


def log_lines(record):
    lines = record.folder.file(names.LOG).read_text(encoding="utf-8").splitlines()
    for line in lines:
        datetime.fromisoformat(line.partition(" ")[0])
    return [line.partition(" ")[2] for line in lines]


def test_the_log_is_appended_with_times(record):
    record.log("first\n")
    record.log("zweitens: größer")
    assert log_lines(record)[-2:] == ["first", "zweitens: größer"]


def test_the_log_lists_the_changes_of_status(record):
    record.interrupt("SIGINT")
    record.resume()
    record.finish({})
    assert log_lines(record) == [
        "started: mlptrain data=cifar10_mini seed=7",
        "interrupted: SIGINT",
        "resumed",
        "finished",
    ]


def test_the_files_that_hydra_writes_are_there(record):
    composed = compose(["seed=7"])
    write_hydra(record.folder, composed.config, composed.overrides, composed.hydra_yaml())
    hydra = record.folder.file(names.HYDRA)
    assert sorted(path.name for path in hydra.iterdir()) == [
        "config.yaml", "hydra.yaml", "overrides.yaml",
    ]  # fmt: skip
    assert yaml.safe_load((hydra / "overrides.yaml").read_text()) == ["seed=7"]
    assert yaml.safe_load((hydra / "config.yaml").read_text())["seed"] == 7


def test_outside_a_git_checkout_there_is_no_revision(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    assert environment.git_state() is None


def test_a_package_under_another_name_has_an_unknown_version(monkeypatch):
    def missing(package):
        raise environment.PackageNotFoundError(package)

    monkeypatch.setattr(environment, "version", missing)
    assert environment.versions()["tensorflow"] == "unknown"
    assert environment.versions()["mlptrain"] == mlptrain.__version__
