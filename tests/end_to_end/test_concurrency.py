"""Many commands in the same instant, and many cells in one worker.

`MLPTRAIN_PROCESSES=12 MLPTRAIN_CELLS=200 pytest tests/end_to_end/test_concurrency.py` is the full
form.
"""

import json
import os
import signal
import statistics
import time
from collections import defaultdict
from contextlib import suppress

import psutil
import pytest
from real_command import (
    LONG,
    MINI,
    SPARE,
    finish,
    mlptrain_command,
    start,
    wait_for_epochs,
    workers_of,
)

pytestmark = pytest.mark.slow

PROCESSES = int(os.environ.get("MLPTRAIN_PROCESSES", "4"))
CELLS = int(os.environ.get("MLPTRAIN_CELLS", "10"))
WARM = 4
"""Finished cells from which on all that is loaded once is loaded."""
SMALL = [MINI, *SPARE, "instruments=on", "train.epochs=1", "runtime.threads=1"]


def test_commands_started_in_the_same_instant_get_a_complete_folder_each(tmp_path):
    running = [start(tmp_path, *SMALL, "model.hidden=[16]", "seed=5") for _ in range(PROCESSES)]
    for process in running:
        ended = finish(process, tmp_path)
        assert ended.code == 0, ended.err
    folders = [path for path in (tmp_path / "outputs").iterdir() if not path.is_symlink()]
    assert len(folders) == PROCESSES
    metrics = set()
    for folder in folders:
        assert json.loads((folder / "run.json").read_text())["status"] == "finished"
        figures = json.loads((folder / "metrics.json").read_text())
        metrics.add(json.dumps({k: v for k, v in figures.items() if k != "seconds"}))
    assert len(metrics) == 1


def test_a_worker_does_not_grow_with_its_cells(tmp_path):
    sweep = start(
        tmp_path, "-m", *SMALL, f"seed=range({CELLS})", "hydra.launcher.n_jobs=2", "name=long"
    )
    root, samples = tmp_path / "outputs" / "long", defaultdict(list)
    while sweep.poll() is None:
        if (cells := len(list(root.glob("*/metrics.json")))) > WARM:
            for worker in workers_of(tmp_path):
                with suppress(psutil.Error):  # it was being replaced
                    seen = worker.memory_info().rss, worker.num_threads(), worker.num_fds(), cells
                    samples[worker.pid].append(seen)
        time.sleep(0.2)
    assert finish(sweep, tmp_path).code == 0
    assert len(list(root.glob("*/metrics.json"))) == CELLS
    assert samples
    for of_one in samples.values():
        # The first third is the start of a worker that replaced another: imports, first graph.
        warm = of_one[len(of_one) // 3 : len(of_one) // 3 + max(1, len(of_one) // 4)]
        last = of_one[-len(warm) :]
        memory, threads, files, cells = (
            [statistics.fmean(s[part] for s in at) for at in (warm, last)] for part in range(4)
        )
        print("MiB", [round(m / 2**20) for m in memory], "threads", threads, "files", files)
        # XLA keeps what it compiled, some MB for each cell. A cell that left its data set or its
        # graph behind would take several times as much.
        assert memory[1] - memory[0] < (20 << 20) * (1 + cells[1] - cells[0])
        assert threads[1] <= threads[0] + 1
        assert files[1] <= files[0] + 2


def test_a_run_is_resumed_by_one_process_at_a_time(tmp_path):
    training = start(tmp_path, *LONG, "train.epochs=500")
    folder = wait_for_epochs(training, tmp_path, 1)
    refused = mlptrain_command(tmp_path, "resume", str(folder))
    assert (refused.code, refused.out) == (2, "")
    assert f"process {training.pid}" in refused.err
    # A process that sleeps, on a closed laptop say, looks dead by its heartbeat and is not.
    training.send_signal(signal.SIGSTOP)
    beat = folder / "heartbeat.json"
    old = {**json.loads(beat.read_text()), "time": "2026-01-01T00:00:00+00:00"}
    beat.write_text(json.dumps(old))
    refused = mlptrain_command(tmp_path, "resume", str(folder))
    assert (refused.code, "not being trained" in refused.err) == (2, True)
    training.kill()
    finish(training, tmp_path)
    both = [start(tmp_path, "resume", str(folder)) for _ in range(2)]
    while all(process.poll() is None for process in both):
        time.sleep(0.05)
    loser, winner = sorted(both, key=lambda process: process.poll() is None)
    ended = finish(loser, tmp_path)
    assert ended.code == 2
    assert "not being trained" in ended.err
    assert winner.poll() is None
    winner.send_signal(signal.SIGINT)
    assert finish(winner, tmp_path).code == 130
