"""How many cells run at once, with how many threads each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlptrain.config.schema import Config
from mlptrain.machine import available_memory, cores
from mlptrain.sweeps.estimate import Estimator, known_runs


@dataclass(frozen=True)
class Packing:
    """Worker processes at once, threads of each, and why not more of them.

    `estimator` is there when earlier runs had to be read to tell the memory that a worker needs.
    """

    workers: int
    threads: int
    limited: str | None = None
    estimator: Estimator | None = field(default=None, compare=False)


def pack(
    launcher: Mapping[Any, Any], configs: Sequence[Config], output_root: Path, threads: int | None
) -> Packing:
    """As many workers as cores and memory allow, each with its share of the cores.

    One single-threaded run on each core trains more cells than one run on all of them.

    Args:
        launcher: Hydra's node of the launcher; `n_jobs` in it counts if it is positive.
        configs: the cells that are asked for.
        output_root: where earlier runs tell how much memory a worker needs.
        threads: of each worker, when the sweep has chosen them before.
    """
    if "cpus_per_task" in launcher:  # a batch system's job is a worker of its own
        most = int(launcher.get("array_parallelism") or len(configs))
        workers = max(1, min(most, len(configs)))
        return Packing(workers, threads or int(launcher["cpus_per_task"] or 1))
    if "n_jobs" not in launcher:  # `basic` trains one cell after another in this process
        return Packing(1, threads or cores())
    wanted = int(launcher["n_jobs"])
    most = wanted if wanted > 0 else cores() // (threads or 1)
    workers = max(1, min(most, len(configs)))
    share = threads or max(1, cores() // workers)
    if wanted > 0:
        return Packing(workers, share)
    estimator = Estimator(known_runs(output_root, share))
    need = max(estimator.memory_mib(config) for config in configs)
    room = available_memory() / 2**20
    fitting = max(1, int(room // need))
    if fitting >= workers:
        return Packing(workers, share, estimator=estimator)
    limited = f"{room:,.0f} MiB of memory are free, a worker needs {need:,.0f}"
    return Packing(fitting, threads or max(1, cores() // fitting), limited)
