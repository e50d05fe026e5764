"""A run that is killed again and again, at random and inside the writing of a checkpoint.

`MLPTRAIN_RUN_KILLS=50 pytest -s -m kills tests/end_to_end/test_run_kills.py` is the full form.
"""

import io
import os
import random
import signal
import time
import zipfile
from collections import Counter

import h5py
import numpy as np
import pytest
from real_command import MINI, finish, history, mlptrain_command, read_json, start_fresh

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX"),
]

KILLS = int(os.environ.get("MLPTRAIN_RUN_KILLS", "3"))
# Slots, dropout, batch norm, noise every epoch, three reductions with a cool-down after each, and
# stopped early.
COMMAND = [
    MINI, "train.epochs=12", "optimizer=adamw", "optimizer.learning_rate=0.004",
    "augmentation=noise_every_epoch", "callbacks.reduce_lr.patience=1",
    "callbacks.reduce_lr.min_delta=2.0", "callbacks.reduce_lr.cooldown=1",
    "callbacks.early_stopping.patience=3", "callbacks.early_stopping.min_delta=0.3", "logger=none",
]  # fmt: skip
HALF = "half a checkpoint"


def result(folder):
    """Everything that a run has come to, but seconds, as values that `==` compares to the bit."""
    metrics = read_json(folder, "metrics.json")
    del metrics["seconds"]
    arrays = {}
    with np.load(folder / "predictions.npz") as predictions:
        arrays |= {name: predictions[name].tobytes() for name in predictions.files}
    with zipfile.ZipFile(folder / "model.keras") as model:
        weights = io.BytesIO(model.read("model.weights.h5"))

    def take(name, node):
        if isinstance(node, h5py.Dataset):
            arrays[name] = node[()].tobytes()

    with h5py.File(weights) as file:
        file.visititems(take)
    return history(folder), metrics, arrays


def run_in(cwd):
    """The run's folder; None before there is one that can be resumed."""
    present = [file.parent for file in cwd.glob("outputs/2*/run.json")]
    assert len(present) < 2
    return present[0] if present else None


def checkpoint_files(folder):
    """Name → bytes."""
    present = {}
    for file in (folder / "checkpoint").glob("*"):
        try:
            present[file.name] = file.stat().st_size
        except FileNotFoundError:  # renamed or removed meanwhile
            continue
    return present


def kill_inside_a_checkpoint(process, cwd, moments):
    """SIGKILL while one of the process's first checkpoints is written, or right after."""
    kind = moments.choice(["npz", "npz", "json"])  # the arrays, or the record that follows them
    part, seen, needed = f"{kind}.{process.pid}.part", set(), moments.randint(1, 4)
    late = moments.choice([0, 0, moments.uniform(0, 0.15)])
    while process.poll() is None:
        folder = run_in(cwd)
        now = (
            {name for name in checkpoint_files(folder) if name.endswith(part)} if folder else set()
        )
        seen |= now
        if now and len(seen) >= needed:
            time.sleep(late)
            break
        time.sleep(0.0005)
    process.kill()


def left_behind(folder):
    """Where the kill fell, as the folder tells it."""
    if folder is None:
        return "no run yet"
    files = checkpoint_files(folder)
    for name in files:
        if name.endswith(".part"):
            return f"{HALF}: its {name.split('.')[2]}"
    if any(name.replace("npz", "json") not in files for name in files):
        return f"{HALF}: arrays without record"
    if (folder / "metrics.json").exists():
        return "in or after the results"
    return "between checkpoints" if files else "before the first checkpoint"


def epochs_kept(folder):
    return max((int(name[6:11]) for name in checkpoint_files(folder) if name.endswith(".json")),
               default=0)  # fmt: skip


@pytest.mark.kills
def test_killed_at_any_moment_a_run_resumes_to_the_undisturbed_result(tmp_path):
    began = time.monotonic()
    done = mlptrain_command(tmp_path / "undisturbed", *COMMAND)
    seconds = time.monotonic() - began
    assert done.code == 0, done.err
    expected = result(done.folder)
    assert len(expected[0]) < 12
    assert len({row["learning_rate"] for row in expected[0]}) > 3

    moments, fell, kills, runs = random.Random(20261124), Counter(), 0, 0

    def enough():
        """Nearly every second kill falls inside a checkpoint; one must."""
        halves = sum(count for place, count in fell.items() if place.startswith(HALF))
        return kills >= KILLS and (halves > 0 or kills >= KILLS + 10)

    while not enough():
        cwd, folder, epochs = tmp_path / f"killed-{runs}", None, 0
        while folder is None or read_json(folder, "run.json")["status"] != "finished":
            process = start_fresh(cwd, *(["resume", str(folder)] if folder else COMMAND))
            if enough():
                pass
            elif kills % 2 == 0:
                kill_inside_a_checkpoint(process, cwd, moments)
            else:
                time.sleep(moments.uniform(0, seconds))
                process.kill()
            ended = finish(process, cwd)
            assert ended.code in (0, -signal.SIGKILL), ended.err
            folder = run_in(cwd)
            if ended.code != 0:
                kills += 1
                fell[left_behind(folder)] += 1
            if folder is not None and not (folder / "metrics.json").exists():
                assert epochs_kept(folder) >= epochs, "epochs were lost"
                epochs = epochs_kept(folder)
        assert result(folder) == expected
        assert not list(folder.rglob("*.part"))
        runs += 1
    print(f"\n{kills} kills in {runs} runs, {time.monotonic() - began:.0f} s: {dict(fell)}")
    assert any(place.startswith(HALF) for place in fell)
