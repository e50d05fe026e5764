"""Runs of the real command, each made once and shared by all tests that look at its folder."""

import json

import pytest
from filelock import FileLock
from real_command import LONG, MINI, Finished, mlptrain_command

# The command lines that more than one test reads the folder of.
RUNS = {
    "study": [MINI, "train.epochs=3"],
    "first": ["optimizer=rmsprop", "model.dropout=0.3", MINI, "train.epochs=1"],
    "undisturbed": LONG,
    "smoke": ["debug=smoke"],
    "diverged": [MINI, "optimizer=sgd", "optimizer.learning_rate=1e20", "model.batch_norm=false"],
    "bare": [
        MINI,
        "train.epochs=2",
        "artifacts=minimal",
        "logger=none",
        "data.validation_fraction=0",
        "callbacks=none",
    ],
}


@pytest.fixture
def command():
    return mlptrain_command


@pytest.fixture(scope="session")
def run(tmp_path_factory, request):
    """Name of RUNS → that command's end; trained once, whatever test process asks first."""
    root = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # pytest-xdist: all its workers share this folder
        root = root.parent
    shared = root / "shared_runs"
    shared.mkdir(exist_ok=True)

    def made(name):
        cwd, end = shared / name, shared / f"{name}.json"
        with FileLock(shared / f"{name}.lock"):
            if not end.exists():
                done = mlptrain_command(cwd, *RUNS[name])
                end.write_text(json.dumps([done.code, done.out, done.err]))
        return Finished(*json.loads(end.read_text()), cwd)

    return made
