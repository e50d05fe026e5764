"""What a newcomer types, command by command, on real runs. Other tests check the details."""

import json
import os
import shlex
import signal
import time

import pytest
from PIL import Image

from mlptrain.data.mini import load_mini
from mlptrain.errors import DataError

# Of Keras, when it saves a model.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = ["data=cifar10_mini", "model.hidden=[16]", "train.epochs=2", "runtime.progress=plain"]


@pytest.fixture
def typed(mlptrain):
    """Arguments of a command that must succeed → what it prints."""

    def call(*arguments):
        done = mlptrain(*arguments)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    return call


def test_a_run_is_trained_evaluated_used_and_not_resumed(typed, mlptrain, elsewhere):
    assert "epoch 2/2" in typed(*SMALL, "optimizer=adamw", "augmentation=strong", "train.ema=0.9")
    metrics = json.loads((elsewhere / "outputs" / "latest" / "metrics.json").read_text())

    scored = json.loads(typed("evaluate", "outputs/latest", "--format", "json"))
    assert [scores["accuracy"] for scores in scored["runs"].values()] == [metrics["test_accuracy"]]

    Image.fromarray(load_mini().test_images[0]).save("first.png")
    (answer,) = json.loads(typed("predict", "outputs/latest", "first.png", "--format", "json"))
    assert sum(guess["probability"] for guess in answer["top"]) <= 1.001

    elsewhere_path = ["--data", "test", "--data-path", "/no/such/place"]
    refused = mlptrain("evaluate", "outputs/latest", *elsewhere_path)
    assert (refused.exit_code, "--data-path" in refused.received) == (2, True)

    resumed = mlptrain("resume", "outputs/latest")
    assert (resumed.exit_code, "finished" in resumed.stderr) == (2, True)


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_ctrl_c_while_images_are_fetched_ends_the_run_at_once(
    mlptrain, typed, elsewhere, monkeypatch
):
    def fetch(data, say):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
        raise DataError("images", "none", "a server that takes its time")

    monkeypatch.setattr("mlptrain.datasets.cifar10_mini.Data.load", fetch)
    stopped = mlptrain(*SMALL, "output_root=my runs")
    assert stopped.exit_code == 130
    latest = elsewhere / "my runs" / "latest"
    facts = json.loads((latest / "run.json").read_text())
    assert (facts["status"], facts["reason"]) == ("interrupted", "SIGINT")

    monkeypatch.undo()
    monkeypatch.chdir(elsewhere)
    (line,) = [line for line in stopped.stdout.splitlines() if line.startswith("to resume: ")]
    _, *words = shlex.split(line.removeprefix("to resume: "))
    assert "epoch 2/2" in typed(*words)


def test_a_grid_is_trained_once_and_compared(typed, elsewhere):
    grid = [*SMALL, "activation=relu,tanh", "name=grid", "hydra.launcher.n_jobs=1"]
    typed("-m", *grid)
    assert "2 done" in typed("plan", "-m", *grid)
    assert "nothing left to train" in typed("-m", *grid)
    assert "2 done" in typed("status", "outputs/grid")

    rows = json.loads(typed("runs", "outputs/grid", "--format", "json"))
    assert {row["activation"] for row in rows} == {"relu", "tanh"}
    typed("diff", *(f"outputs/grid/{row['run']}" for row in rows))
    typed("report", "outputs/grid", "-o", "page.html")
    assert "activation" in (elsewhere / "page.html").read_text(encoding="utf-8")
    both = typed("evaluate", "outputs/grid", "--best", "2", "--data", "validation")
    assert "against the best single run" in both
