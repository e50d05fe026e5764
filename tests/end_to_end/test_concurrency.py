"""Many commands in the same instant, and many cells in one worker.

`MLPTRAIN_PROCESSES=12 MLPTRAIN_CELLS=200 pytest tests/end_to_end/test_concurrency.py` is the full
form.
"""

import json
import os
import statistics
import time

import psutil
import pytest
from real_command import MINI, finish, start

pytestmark = pytest.mark.slow

PROCESSES = int(os.environ.get("MLPTRAIN_PROCESSES", "4"))
CELLS = int(os.environ.get("MLPTRAIN_CELLS", "12"))
SMALL = [MINI, "train.epochs=1", "artifacts=minimal", "runtime.threads=1"]


def test_commands_started_in_the_same_instant_get_a_complete_folder_each(tmp_path):
    running = [start(tmp_path, *SMALL, "seed=5") for _ in range(PROCESSES)]
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
        tmp_path, "-m", *SMALL, f"seed=range({CELLS})", "hydra.launcher.n_jobs=1", "name=long"
    )
    root, seen, samples = tmp_path / "outputs" / "long", 0, []
    parent = psutil.Process(sweep.pid)
    while sweep.poll() is None:
        finished = len(list(root.glob("*/metrics.json")))
        if finished > seen:
            seen = finished
            try:
                (worker,) = [
                    child
                    for child in parent.children(recursive=True)
                    if child.memory_info().rss > 300 << 20
                ]
                samples.append((worker.memory_info().rss, worker.num_threads(), worker.num_fds()))
            except (psutil.Error, ValueError):  # it was being replaced
                pass
        time.sleep(0.2)
    assert finish(sweep, tmp_path).code == 0
    assert len(list(root.glob("*/metrics.json"))) == CELLS
    window = max(2, len(samples) // 4)
    warm, last = samples[2 : 2 + window], samples[-window:]
    memory, threads, files = (
        [statistics.fmean(sample[part] for sample in part_of) for part_of in (warm, last)]
        for part in range(3)
    )
    print("MiB", [round(m / 2**20) for m in memory], "threads", threads, "files", files)
    # XLA keeps what it compiled, some MB for each cell, until loky replaces the worker at 300 MB.
    assert memory[1] < memory[0] + (320 << 20)
    assert threads[1] <= threads[0] + 1
    assert files[1] <= files[0] + 2
