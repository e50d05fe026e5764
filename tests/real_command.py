"""The real command in a process of its own, and what the tests read of its folder."""

import csv
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from fork_server import ForkedCommand

import mlptrain

MINI = "data=cifar10_mini"
# For runs whose pictures and layers nobody looks at.
SPARE = ["artifacts=minimal", "logger=none", "instruments=off"]
# Epochs that take a while, with every callback's state to carry on; never ends early.
LONG = [MINI, *SPARE, "instruments=on", "train.epochs=10", "train.batch_size=16",
        "model.hidden=[256]", "callbacks.early_stopping.patience=10", "optimizer=adam"]  # fmt: skip


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


def runs(cwd):
    """Folder of each run below the working directory's outputs → its run.json."""
    files = sorted((cwd / "outputs").rglob("run.json"))
    return {file.parent: read_json(file.parent, file.name) for file in files}


def status(folder):
    return read_json(folder, "run.json")["status"]


def epochs_of_runs(cwd):
    """Folders of the runs in `cwd` that have an epoch → how many they have written."""
    files = (cwd / "outputs").rglob("history.csv")
    return {file.parent.resolve(): len(history(file.parent)) for file in files}


def wait_for_epochs(process, cwd, epochs, timeout=120):
    """Until runs in `cwd` have written so many epochs together; returns the longest's folder."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        rows = epochs_of_runs(cwd)
        if sum(rows.values()) >= epochs:
            return max(rows, key=rows.get)
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    raise AssertionError(f"no {epochs} epochs after {timeout} seconds")


def workers_of(cwd):
    """Workers of forked commands in a working directory, whoever their parent is by now."""
    workers = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has just ended, or is another user's
            if process.cwd() == str(cwd) and process.name().startswith("LokyProcess"):
                workers.append(process)
    return workers
