"""Runs of the real command, each made once and shared by all tests that look at its folder."""

from pathlib import Path

import pytest
from real_command import LONG, MINI, Finished, mlptrain_command

# The command lines that more than one test reads the folder of.
RUNS = {
    "study": [MINI, "train.epochs=3"],
    "first": [
        "optimizer=rmsprop",
        "model.dropout=0.3",
        MINI,
        "train.epochs=1",
        "model.hidden=[64]",
    ],
    "undisturbed": LONG,
    "smoke": ["debug=smoke", "model.hidden=[16]"],
    "diverged": [
        MINI,
        "optimizer=sgd",
        "optimizer.learning_rate=1e20",
        "model.batch_norm=false",
        "model.hidden=[16]",
    ],
    "bare": [
        MINI,
        "train.epochs=2",
        "model.hidden=[16]",
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
def run(once):
    """Name of RUNS → that command's end."""

    def made(name):
        def train(cwd):
            done = mlptrain_command(cwd, *RUNS[name])
            return [done.code, done.out, done.err, str(cwd)]

        code, out, err, cwd = once(name, train)
        return Finished(code, out, err, Path(cwd))

    return made
