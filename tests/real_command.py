"""The real command in a process of its own, and what the tests read of its folder."""

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fork_server import ForkedCommand

import mlptrain

MINI = "data=cifar10_mini"
# Wide enough to take a while, with every callback's state to carry on; never ends early.
LONG = [MINI, "train.epochs=10", "callbacks.early_stopping.patience=10", "optimizer=adam"]


@dataclass(frozen=True)
class Finished:
    """A command that has ended, and the working directory it ran in."""

    code: int
    out: str
    err: str
    cwd: Path

    @property
    def folder(self):
        """Of its run."""
        return (self.cwd / "outputs" / "latest").resolve()


def environment():
    """The package these tests import, for a process anywhere."""
    known = {key: value for key, value in os.environ.items() if key != "MLPTRAIN_DEBUG"}
    return {**known, "PYTHONPATH": str(Path(mlptrain.__file__).parents[1])}


def start(cwd, *words):
    """Start the command; where processes can be forked, without the seconds of its imports."""
    if sys.platform != "linux":
        return start_fresh(cwd, *words)
    cwd.mkdir(parents=True, exist_ok=True)
    return ForkedCommand(words, cwd, environment())


def start_fresh(cwd, *words):
    """Start the command as a user's shell does."""
    cwd.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "mlptrain", *words],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, cwd, timeout=300):
    try:
        out, err = process.communicate(timeout=timeout)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return Finished(process.returncode, out, err, cwd)


def mlptrain_command(cwd, *words):
    """Run the command in a working directory until it ends."""
    return finish(start(cwd, *words), cwd)


def read_json(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def history(folder):
    """Rows of history.csv without what differs from run to run."""
    with (folder / "history.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def wait_for_epochs(process, cwd, epochs):
    """Until the run in `cwd` has written so many epochs; returns its folder."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for file in cwd.glob("outputs/*/history.csv"):
            if len(history(file.parent)) >= epochs:
                return file.parent.resolve()
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError(f"no {epochs} epochs after two minutes")
