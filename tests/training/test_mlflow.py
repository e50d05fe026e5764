"""Runs in a real MLflow store: what arrives there, and what happens when it cannot."""

import json
import signal
import socket
import warnings
from importlib.util import find_spec

import pytest
from real_command import MINI, finish, mlptrain_command, start, wait_for_epochs
from started_run import StartedRun, row

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.errors import ConfigError, TrainingError
from mlptrain.loggers import logger

with_mlflow = pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")


class Store:
    """What another program finds in it."""

    def __init__(self, uri):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mlflow import MlflowClient

            self.client = MlflowClient(tracking_uri=uri)

    def runs(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            experiment = self.client.get_experiment_by_name("mlptrain")
            matches = self.client.search_runs([experiment.experiment_id]) if experiment else []
        return {run.info.run_name: run for run in matches}

    def only(self):
        (run,) = self.runs().values()
        return run

    def points(self, run, metric):
        history = self.client.get_metric_history(run.info.run_id, metric)
        return [(point.step, point.value) for point in history]

    def files(self, run):
        return {file.path for file in self.client.list_artifacts(run.info.run_id)}


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """Its forty tables take seconds to make: once for all tests."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    Store(f"sqlite:///{path}").client.search_experiments()
    return path.read_bytes()


class Outputs:
    """An output root with a store and runs in it that only pretend to train."""

    def __init__(self, root, empty_database):
        root.mkdir()
        self.root = root
        if empty_database is not None:
            (root / "mlflow.db").write_bytes(empty_database)
        self.uri = f"sqlite:///{root / 'mlflow.db'}"

    @property
    def store(self):
        return Store(self.uri)

    def run(self, name="one", *words):
        root = f"output_root='{self.root}'"
        return StartedRun(self.root / name, "logger=mlflow", root, *words)


@pytest.fixture
def outputs(tmp_path, empty_database):
    return Outputs(tmp_path / "out put ñ", empty_database)


@with_mlflow
def test_a_run_arrives_with_parameters_figures_files_and_tags(outputs, capfd):
    run = outputs.run("one", "tags=[try]", "model.dropout=0.25")
    run.train(3)
    run.finish()
    assert capfd.readouterr() == ("", "")
    assert "mlflow:" not in run.log()
    there = outputs.store.only()
    assert (there.info.run_name, there.info.status) == ("one", "FINISHED")
    params = there.data.params
    assert (params["model.dropout"], params["train.epochs"]) == ("0.25", "30")
    assert (params["model.hidden"], params["name"]) == ("[512, 256, 128, 64]", "null")
    assert outputs.store.points(there, "loss") == [(1, 1.0), (2, 1 / 2), (3, 1 / 3)]
    assert "val_loss" not in there.data.metrics
    assert outputs.store.points(there, "final/test_accuracy") == [(2, 0.25)]
    assert outputs.store.files(there) == {
        "config.yaml", "metrics.json", "learning_curves.png", "model.keras", "train.log",
    }  # fmt: skip
    tags = there.data.tags
    assert (tags["run_id"], tags["seed"], tags["status"]) == ("one", "42", "finished")
    assert (tags["config_hash"], tags["tags"]) == (config_hash(run.config), "try")


@with_mlflow
@pytest.mark.parametrize(
    ("end", "status", "message"),
    [
        (lambda record: record.interrupt("SIGINT"), "KILLED", "SIGINT"),
        (lambda record: record.fail(TrainingError("a", "NaN", "b")), "FAILED", "NaN"),
    ],
)
def test_a_run_that_did_not_finish_says_how_it_ended(outputs, end, status, message):
    run = outputs.run()
    run.train(1)
    end(run.record)
    run.logger.finish()
    there = outputs.store.only()
    assert there.info.status == status
    assert message in there.data.tags["reason"]
    assert "train.log" in outputs.store.files(there)


@with_mlflow
def test_a_run_that_fails_before_its_first_epoch_is_there_too(outputs):
    run = outputs.run()
    run.record.fail(ValueError("no images"))
    run.logger.finish()
    assert outputs.store.only().info.status == "FAILED"


@with_mlflow
def test_a_resumed_run_continues_the_same_one(outputs, monkeypatch, tmp_path):
    run = outputs.run()
    run.train(2)
    run.record.interrupt("SIGTERM")
    run.logger.finish()
    first = outputs.store.only().info.run_id
    monkeypatch.chdir(tmp_path)
    run.resume()
    run.train(4, after=[row(1), row(2), row(3)])  # killed after its checkpoint, before its logger
    assert outputs.store.only().info.status == "RUNNING"
    run.finish()
    there = outputs.store.only()
    assert (there.info.run_id, there.info.status) == (first, "FINISHED")
    assert [step for step, _ in outputs.store.points(there, "loss")] == [1, 2, 3, 4]


@with_mlflow
def test_a_relative_output_root_is_found_from_another_directory(outputs, monkeypatch, tmp_path):
    monkeypatch.chdir(outputs.root.parent)
    run = outputs.run("one", f"output_root='{outputs.root.name}'")
    run.train(1)
    run.record.interrupt("SIGTERM")
    run.logger.finish()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run.resume()
    run.train(2, after=[row(1)])
    run.finish()
    assert outputs.store.only().info.status == "FINISHED"
    assert not list((tmp_path / "elsewhere").iterdir())


@with_mlflow
def test_a_run_deleted_in_the_store_is_made_anew(outputs):
    run = outputs.run()
    run.train(1)
    gone = outputs.store.only().info.run_id
    outputs.store.client.delete_run(gone)
    run.resume()
    run.train(2, after=[row(1)])
    run.finish()
    there = outputs.store.only()
    assert there.info.run_id != gone
    assert [step for step, _ in outputs.store.points(there, "loss")] == [1, 2]


@with_mlflow
def test_the_cells_of_a_sweep_are_tagged_with_its_name(outputs):
    cells = [outputs.run("grid/a"), outputs.run("grid/b", "seed=1"), outputs.run("alone")]
    for cell in cells:
        cell.train(1)
        cell.finish()
    runs = outputs.store.runs()
    assert set(runs) == {"a", "b", "alone"}
    assert [runs[name].data.tags.get("sweep") for name in runs] == [
        None if name == "alone" else "grid" for name in runs
    ]


@with_mlflow
def test_a_server_that_is_not_there_costs_one_line(outputs, capfd):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = outputs.run("one", f"logger.uri=http://127.0.0.1:{port}")
    run.train(3)
    run.finish()
    assert run.log().count("mlflow:") == 1
    assert run.record.folder.status() == "finished"
    assert capfd.readouterr() == ("", "")


@with_mlflow
def test_what_the_store_did_not_take_arrives_at_the_end(outputs):
    run = outputs.run()
    run.train(1)
    run.record.folder.write_history([row(epoch) for epoch in (1, 2, 3)])
    database = outputs.root / "mlflow.db"
    database.rename(database.with_name("away"))
    database.mkdir()
    run.logger.log(row(2))
    run.logger.log(row(3))
    assert run.log().count("mlflow:") == 1
    database.rmdir()
    database.with_name("away").rename(database)
    run.finish()
    there = outputs.store.only()
    assert [step for step, _ in outputs.store.points(there, "loss")] == [1, 2, 3]
    assert there.info.status == "FINISHED"


@with_mlflow
def test_a_database_that_is_none_costs_one_line(outputs):
    (outputs.root / "mlflow.db").write_text("not a database" * 1000)
    run = outputs.run()
    run.train(2)
    run.finish()
    assert run.log().count("mlflow:") == 1


def test_without_the_library_training_is_refused_and_reading_is_not(monkeypatch):
    monkeypatch.setattr(logger, "find_spec", lambda package: None)
    with pytest.raises(ConfigError, match=r"pip install 'mlptrain\[mlflow\]'"):
        compose(["logger=mlflow"]).config.logger.check_ready()
    compose([]).config.logger.check_ready()


def test_a_server_needs_no_database_here(monkeypatch):
    monkeypatch.setattr(logger, "find_spec", lambda package: package == "mlflow" or None)
    compose(["logger=mlflow", "logger.uri=http://host:5000"]).config.logger.check_ready()
    with pytest.raises(ConfigError, match="sqlalchemy"):
        compose(["logger=mlflow"]).config.logger.check_ready()


@pytest.mark.parametrize(
    "uri", ["sqlite:////tmp/x.db", "http://host:5000", "https://host/mlflow", "postgresql://host/x"]
)
def test_stores_that_can_be_named(uri):
    assert compose(["logger=mlflow", f"logger.uri='{uri}'"]).config.logger.uri == uri


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["logger=mlflow", "logger.uri=mlruns"], "sqlite:///FILE"),
        (["logger=mlflow", "logger.uri='http://'"], "server's address"),
        (["logger=mlflow", "logger.uri='http://[x'"], "server's address"),
        (["logger=mlflow", "logger.uri='http://me:secret@host'"], "without a password"),
        (["logger=mlflow", "logger.url=x"], "logger.uri"),
        (["logger.name=mlflow"], "logger=mlflow"),
        (["+logger.uri='http://host'"], "remove logger.uri"),
        (["logger=mlflov"], "logger=mlflow"),
    ],
)
def test_what_is_refused_says_what_is_right(words, message):
    with pytest.raises(ConfigError) as refused:
        compose(words)
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


@with_mlflow
@pytest.mark.slow
def test_workers_log_a_sweep_at_once_and_its_failed_cell_is_failed(tmp_path):
    done = mlptrain_command(
        tmp_path, "-m", MINI, "logger=mlflow", "name=grid", "train.epochs=2", "model.hidden=[8]",
        "model.batch_norm=false", "optimizer=sgd", "optimizer.learning_rate=0.01,1e20", "seed=1,2",
        "hydra.launcher.n_jobs=2", "artifacts=minimal",
    )  # fmt: skip
    assert done.code == 1, done.err
    assert "mlflow" not in done.err.lower()
    runs = Store(f"sqlite:///{tmp_path / 'outputs' / 'mlflow.db'}").runs()
    assert sorted(run.info.status for run in runs.values()) == ["FAILED"] * 2 + ["FINISHED"] * 2
    assert {run.data.tags["sweep"] for run in runs.values()} == {"grid"}
    for file in (tmp_path / "outputs" / "grid").glob("*/run.json"):
        facts = json.loads(file.read_text())
        assert runs[file.parent.name].info.run_id == facts["mlflow"]["run_id"]


@with_mlflow
@pytest.mark.slow
def test_an_interrupted_run_is_resumed(tmp_path):
    words = [MINI, "logger=mlflow", "train.epochs=40", "callbacks=none", "model.hidden=[8]",
             "artifacts=minimal", "instruments=off"]  # fmt: skip
    training = start(tmp_path, *words)
    folder = wait_for_epochs(training, tmp_path, 2)
    training.send_signal(signal.SIGINT)
    stopped = finish(training, tmp_path)
    assert stopped.code == 130, stopped.err
    store = Store(f"sqlite:///{tmp_path / 'outputs' / 'mlflow.db'}")
    first = store.only()
    assert first.info.status == "KILLED"
    done = mlptrain_command(tmp_path, "resume", str(folder))
    assert (done.code, done.err) == (0, "")
    there = store.only()
    assert (there.info.run_id, there.info.status) == (first.info.run_id, "FINISHED")
    assert [step for step, _ in store.points(there, "loss")] == list(range(1, 41))
    final = json.loads((folder / "metrics.json").read_text())["test_accuracy"]
    assert there.data.metrics["final/test_accuracy"] == final
