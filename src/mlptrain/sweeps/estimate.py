"""How long cells will take and how much memory, from runs that this machine has done.

The memory of it is the run folders: each finished run says in `run.json` what its steps, its
epochs and its frame took. Where no run can tell, `calibrate` trains the three small cells of
`study=calibration` below the cache, once for each machine and set of versions.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlptrain.config.identity import recipe_hash
from mlptrain.config.schema import Config, OwnImages
from mlptrain.config.sizes import (
    features,
    parameter_count,
    split_sizes,
    steps_per_epoch,
)
from mlptrain.config.spelling import quoted
from mlptrain.data.cache import cache_folder
from mlptrain.errors import RunFolderError
from mlptrain.machine import cores, cpu_name, versions
from mlptrain.store.run_folder import RUN, RunFolder

STARTUP_SECONDS = 7.0
"""A worker's imports, before its first cell: measured on two cores, AMD EPYC."""

_FEW_WORKS = 3
"""From so many different nets on, costs of others are predicted well enough."""

_MODEST_WORKER_MIB = 1_300
"""A worker that trains the study's final recipe, where no run has told: measured 1,205."""


class Speed(BaseModel):
    """What a run took; see `speed` in `run.json`."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    seconds_per_step: float = Field(gt=0)
    seconds_per_epoch: float = Field(ge=0)
    seconds_per_run: float = Field(ge=0)
    epochs: int = Field(ge=1)
    peak_memory_mib: float = Field(gt=0)


@dataclass(frozen=True)
class Known:
    """A run that this machine has done: its config and what it took."""

    config: Config
    speed: Speed


class Estimator:
    """Predicts seconds and memory of cells.

    Args:
        known: runs of this machine, with as many threads as the cells will have.
    """

    def __init__(self, known: Sequence[Known]) -> None:
        self._known = known
        self._by_work: dict[str, list[Speed]] = {}
        self._epochs: dict[str, list[int]] = {}
        for run in known:
            self._by_work.setdefault(_work(run.config), []).append(run.speed)
            self._epochs.setdefault(recipe_hash(run.config), []).append(run.speed.epochs)
        self._per_step = self._fitted() if known else None

    def covers(self, configs: Sequence[Config]) -> bool:
        """Whether the runs can tell the costs of all these cells apart."""
        return len(self._by_work) >= _FEW_WORKS or all(
            _work(config) in self._by_work for config in configs
        )

    @property
    def runs(self) -> int:
        """How many runs the predictions come from."""
        return len(self._known)

    def seconds(self, config: Config) -> float | None:
        """A whole cell in a worker that has started; None where no run can tell.

        Epochs are all that are asked for, unless runs of the same recipe stopped earlier.
        """
        if self._per_step is None:
            return None
        alike = self._by_work.get(_work(config))
        stopped = self._epochs.get(recipe_hash(config), [config.train.epochs])
        epochs = min(config.train.epochs, statistics.fmean(stopped))
        if alike:
            step = statistics.median(speed.seconds_per_step for speed in alike)
            others: Iterable[Speed] = alike
        else:
            step = float(_features(config) @ self._per_step)
            others = [run.speed for run in self._nearest(config)]
        epoch = statistics.median(speed.seconds_per_epoch for speed in others)
        frame = statistics.median(speed.seconds_per_run for speed in others)
        return frame + epochs * (epoch + step * steps_per_epoch(config))

    def rank(self, config: Config) -> float:
        """What to sort cells by, longest last: seconds, or products where no run can tell."""
        products = config.train.epochs * steps_per_epoch(config) * float(_features(config)[0])
        return self.seconds(config) or products

    def memory_mib(self, config: Config) -> float:
        """What a worker needs for the cell: the most that any run with such data has taken."""
        size = parameter_count(config)
        alike = [run for run in self._nearest(config) if run.config.data.name == config.data.name]
        peak = max((run.speed.peak_memory_mib for run in alike), default=_MODEST_WORKER_MIB)
        largest = max((parameter_count(run.config) for run in alike), default=1_750_346)
        # Weights, gradients, two moments, the best weights and a checkpoint in the making.
        return peak + max(0, size - largest) * 4 * 8 / 2**20

    def _nearest(self, config: Config) -> Sequence[Known]:
        """Runs on as many images, else all."""
        sizes = split_sizes(config.data)
        return [run for run in self._known if split_sizes(run.config.data) == sizes] or self._known

    def _fitted(self) -> np.ndarray:
        """Seconds per step as a sum of costs that cannot be negative, relative errors counted.

        One work can tell one cost, two can tell two: the first features come first.
        """
        from scipy.optimize import nnls

        works = [
            (_features(run.config), [s.seconds_per_step for s in self._by_work[work]])
            for work, run in {_work(run.config): run for run in self._known}.items()
        ]
        rows = np.array([features / statistics.median(seconds) for features, seconds in works])
        rows[:, len(works) :] = 0
        scale = np.maximum(rows.max(axis=0), 1e-12)
        return nnls(rows / scale, np.ones(len(works)))[0] / scale


def makespan(seconds: Sequence[float], workers: int, in_work: Sequence[float] = ()) -> float:
    """The time until all cells are done when each worker takes the next one, longest first.

    Args:
        seconds: of each cell that waits.
        workers: how many cells run at once.
        in_work: what is left of the cells that run already.
    """
    # Cells of another process on the same sweep are in work too, but get no followers here.
    free = [*sorted(in_work)[: max(1, workers)], *[0.0] * (workers - len(in_work))] or [0.0]
    heapq.heapify(free)
    for cell in sorted(seconds, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + cell)
    return max(*free, *in_work) if in_work else max(free)


def known_runs(output_root: Path, threads: int) -> list[Known]:
    """What finished runs below the output root and the calibration tell of this machine.

    Args:
        output_root: runs are looked for up to two levels below it.
        threads: of each run; others are slower or faster.
    """
    found = []
    here = versions()
    for root, patterns in ((output_root, ("*", "*/*")), (calibration_root(), ("*/*/*",))):
        for path in (path for pattern in patterns for path in root.glob(f"{pattern}/{RUN}")):
            if path.parent.is_symlink():  # `latest`
                continue
            try:
                facts = RunFolder(path.parent).read_json(RUN)
                machine, made_with = facts["machine"], facts["versions"]
                if (
                    facts["status"] == "finished"
                    and (machine["cpu"], machine["cores"]) == (cpu_name(), cores())
                    and machine["threads"] == threads
                    and all(made_with[p] == here[p] for p in ("tensorflow", "keras"))
                ):
                    speed = Speed.model_validate(facts["speed"])
                    found.append(Known(Config.model_validate(facts["config"]), speed))
            except (RunFolderError, KeyError, TypeError, ValidationError):
                continue  # a stranger's, or of another version: it tells nothing
    return found


def calibration_root() -> Path:
    """Where the calibration's runs stand."""
    return cache_folder().parent / "calibration"


def calibrate(config: Config, workers: int, threads: int) -> None:
    """Train `study=calibration` on the config's images, as many cells at once as a sweep would.

    Its output root is that of one machine, number of threads and set of versions: in a shared one
    the cells of another would count as done, since none of these is part of a run's identity.

    Raises:
        OSError, subprocess.SubprocessError: it could not be done.
    """
    machine = f"{cpu_name()} {cores()} {threads} {versions()}"
    asked = config.data
    data = [f"data={asked.name}"]
    if asked.path is not None:
        data.append(f"data.path={quoted(str(Path(asked.path).expanduser().resolve()))}")
    if isinstance(asked, OwnImages):
        data += [f"data.image_size={asked.image_size}", f"data.test_fraction={asked.test_fraction}"]
        machine += f" {data}"
    name = f"{asked.name}-{hashlib.sha256(machine.encode()).hexdigest()[:8]}"
    command = [
        sys.executable, "-m", "mlptrain", "study=calibration", *data,
        f"output_root={quoted(str(calibration_root() / name))}",
        f"hydra.launcher.n_jobs={workers}", f"runtime.threads={threads}", "artifacts=minimal",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def _work(config: Config) -> str:
    """Two configs with the same work take the same time, but for the number of epochs."""
    kept: dict[str, Any] = config.model_dump(
        exclude={
            *("seed", "name", "tags", "output_root", "artifacts", "logger"),
            *("initializer", "schedule", "callbacks"),
        }
    )
    del kept["train"]["epochs"], kept["runtime"]["threads"], kept["runtime"]["progress"]
    del kept["data"]["path"]
    optimizer: Mapping[str, Any] = kept["optimizer"]
    kept["optimizer"] = optimizer["name"]
    return json.dumps(kept, sort_keys=True)


def _features(config: Config) -> np.ndarray:
    """What a step's time grows with: products, nothing, update, pixels, units."""
    batch, parameters = config.train.batch_size, parameter_count(config)
    augmentation = config.augmentation
    touched = [
        augmentation.std,
        augmentation.flip or augmentation.shift or augmentation.crop,
        augmentation.brightness or augmentation.contrast,
        augmentation.cutout,
        augmentation.cutmix,
    ]
    return np.array(
        [
            batch * parameters,
            1.0,
            parameters,
            batch * features(config.data) * sum(map(bool, touched)),
            batch * config.model.count_unit_passes(),
        ]
    )
