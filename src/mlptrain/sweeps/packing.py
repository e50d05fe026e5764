"""How many cells run at the same time, with how many threads each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlptrain.config.schema import Config
from mlptrain.formatting import quantity
from mlptrain.gpus import Gpu, list_gpus, share_gpus
from mlptrain.limits import available_memory, core_limit
from mlptrain.model.process import finds_gpu
from mlptrain.sweeps.estimate import Estimator, gpu_memory_mib, known_runs
from mlptrain.sweeps.launchers import Launcher


@dataclass(frozen=True)
class Packing:
    """How the cells of a sweep share this machine.

    Attributes:
        workers: number of cells that train at the same time.
        threads: threads of each.
        limited: why there are no more workers, where that needs an explanation.
        devices: the GPU of each worker, where they use some.
        estimator: of the earlier runs, where they were read to know the memory of a worker.
    """

    workers: int
    threads: int
    limited: str | None = None
    devices: tuple[str, ...] = ()
    estimator: Estimator | None = field(default=None, compare=False)


def estimator_of(packing: Packing, output_root: Path) -> Estimator:
    """Return the estimator of a packing, from runs with as many threads below the output root."""
    return packing.estimator or Estimator(known_runs(output_root, packing.threads))


def pack(
    launcher: Launcher, configs: Sequence[Config], output_root: Path, threads: int | None
) -> Packing:
    """Return as many workers as cores, memory and GPUs allow, each with its share of the cores.

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
    gpus, limited_by_gpus = _gpus(launcher, configs)
    if launcher.separate or launcher.jobs is not None:
        workers = max(1, min(launcher.jobs or len(configs), len(configs)))
        devices = share_gpus(gpus, 0, workers) if gpus else ()
        share = threads or launcher.threads or max(1, cores // workers)
        return Packing(workers, share, devices=devices)
    workers = max(1, min(cores // (threads or 1), len(configs)))
    if workers == len(configs):
        limited = None
    share = threads or max(1, cores // workers)
    if launcher.jobs_key is None:  # it has no setting for fewer jobs
        return Packing(workers, share, limited)
    estimator = Estimator(known_runs(output_root, share))
    limited = limited_by_gpus or limited
    needed = max(estimator.memory_mib(config) for config in configs)
    available = available_memory() / 2**20
    if (fitting := max(1, int(available // needed))) < workers:
        workers = fitting
        limited = f"{available:,.0f} MiB of memory are free, a worker needs {needed:,.0f}"
    devices = ()
    if gpus:
        needed = max(gpu_memory_mib(config) for config in configs)
        devices = share_gpus(gpus, needed, workers)
        if len(devices) < workers:
            workers = len(devices)
            limited = _memory_of_gpus(gpus, needed)
    final = threads or max(1, cores // workers)
    return Packing(workers, final, limited, devices, estimator if final == share else None)


def _gpus(launcher: Launcher, configs: Sequence[Config]) -> tuple[list[Gpu], str | None]:
    """Return the GPUs that workers are to share, and why those that are there are not used.

    A batch system gives its jobs their GPUs.
    """
    devices = {config.runtime.device for config in configs}
    if not launcher.children or devices == {"cpu"} or not (gpus := list_gpus()):
        return [], None
    if "gpu" in devices or finds_gpu():
        return gpus, None
    return [], "TensorFlow cannot use the GPU that nvidia-smi lists (needs tensorflow[and-cuda])"


def _memory_of_gpus(gpus: Sequence[Gpu], needed: float) -> str:
    number = quantity(len(gpus), "GPU")
    known = [gpu.free_mib for gpu in gpus if gpu.free_mib is not None]
    free = f"{sum(known):,.0f} MiB" if len(known) == len(gpus) else "an unknown part"
    return f"{free} of the memory of {number} is free, a worker needs {needed:,.0f} MiB"
