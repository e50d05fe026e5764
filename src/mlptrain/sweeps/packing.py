"""How many cells run at the same time, with how many threads each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlptrain.config.schema import Config
from mlptrain.limits import available_memory, core_limit
from mlptrain.sweeps.estimate import Estimator, known_runs
from mlptrain.sweeps.launchers import Launcher


@dataclass(frozen=True)
class Packing:
    """How the cells of a sweep share this machine.

    Attributes:
        workers: number of cells that train at the same time.
        threads: threads of each.
        limited: why there are no more workers, where that needs an explanation.
        estimator: of the earlier runs, where they were read to know the memory of a worker.
    """

    workers: int
    threads: int
    limited: str | None = None
    estimator: Estimator | None = field(default=None, compare=False)


def estimator_of(packing: Packing, output_root: Path) -> Estimator:
    """Return the estimator of a packing, from runs with as many threads below the output root."""
    return packing.estimator or Estimator(known_runs(output_root, packing.threads))


def pack(
    launcher: Launcher, configs: Sequence[Config], output_root: Path, threads: int | None
) -> Packing:
    """Return as many workers as cores and memory allow, each with its share of the cores.

    One single-threaded run on each core trains more cells than one run on all of them.

    Args:
        launcher: how jobs run; the number of jobs at the same time counts where it is set.
        configs: the configs of the cells.
        output_root: where earlier runs say how much memory a worker needs.
        threads: of each worker, where the sweep has chosen them before.
    """
    cores, limited = core_limit()
    if not launcher.parallel:
        return Packing(1, threads or cores)
    if launcher.separate or launcher.jobs is not None:
        workers = max(1, min(launcher.jobs or len(configs), len(configs)))
        return Packing(workers, threads or launcher.threads or max(1, cores // workers))
    workers = max(1, min(cores // (threads or 1), len(configs)))
    share = threads or max(1, cores // workers)
    if workers == len(configs):
        limited = None
    if launcher.jobs_key is None:  # it has no setting for fewer jobs
        return Packing(workers, share, limited)
    estimator = Estimator(known_runs(output_root, share))
    needed = max(estimator.memory_mib(config) for config in configs)
    available = available_memory() / 2**20
    fitting = max(1, int(available // needed))
    if fitting >= workers:
        return Packing(workers, share, limited, estimator)
    limited = f"{available:,.0f} MiB of memory are free, a worker needs {needed:,.0f}"
    return Packing(fitting, threads or max(1, cores // fitting), limited)
