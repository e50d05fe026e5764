"""Estimates of the time and memory of cells, from this machine's finished runs.

Each finished run records in `run.json` what a step, an epoch and the rest of it took. A cell is
estimated from runs with the same cost for an epoch; without one there is no estimate.
"""

import heapq
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlptrain.config.identity import recipe_hash
from mlptrain.config.schema import Config
from mlptrain.config.sizes import steps_per_epoch, training_floats
from mlptrain.errors import RunFolderError
from mlptrain.machine import cores, cpu_name, versions
from mlptrain.store.names import RUN
from mlptrain.store.reading import find_run_folders, read_json

STARTUP_SECONDS = 7.0
"""A worker's imports, before its first cell: measured on two cores, AMD EPYC."""

_WORKER_MIB = 1_100
"""Memory of a worker without images and weights: TensorFlow, its threads, and what XLA compiles.
With `_known_mib`, 1,464 for the study's final recipe, which took 1,205."""

_CUDA_MIB = 1_024
"""Memory that CUDA and its libraries take on a GPU for each process."""

_COPIES_OF_OWN_IMAGES = 3
"""Own images are read, put into their order and cut at the same time; CIFAR-10 is mapped."""


class Speed(BaseModel):
    """Time and memory that a run took; see `speed` in `run.json`."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    seconds_per_step: float = Field(gt=0)
    seconds_per_epoch: float = Field(ge=0)
    seconds_per_run: float = Field(ge=0)
    epochs: int = Field(ge=1)
    peak_memory_mib: float = Field(gt=0)


@dataclass(frozen=True)
class FinishedRun:
    """A run that this machine has finished, with its config, time and memory."""

    config: Config
    speed: Speed


class Estimator:
    """Estimates the time and memory of cells.

    Args:
        runs: finished runs of this machine, with as many threads as the cells will have.
    """

    def __init__(self, runs: Sequence[FinishedRun]) -> None:
        self.runs = runs
        self._speeds: dict[str, list[Speed]] = {}
        self._epochs: dict[str, list[int]] = {}
        for run in runs:
            self._speeds.setdefault(cost_key(run.config), []).append(run.speed)
            self._epochs.setdefault(recipe_hash(run.config), []).append(run.speed.epochs)

    def seconds(self, config: Config) -> float | None:
        """Return the time of a cell in a running worker; None without an earlier run like it.

        The number of epochs is that of the config, unless runs of the same recipe stopped earlier.
        """
        speeds = self._speeds.get(cost_key(config))
        if speeds is None:
            return None
        stopped = self._epochs.get(recipe_hash(config), [config.train.epochs])
        epochs = min(config.train.epochs, statistics.fmean(stopped))
        step = statistics.median(speed.seconds_per_step for speed in speeds)
        epoch = statistics.median(speed.seconds_per_epoch for speed in speeds)
        rest = statistics.median(speed.seconds_per_run for speed in speeds)
        return rest + epochs * (epoch + step * steps_per_epoch(config))

    def memory_mib(self, config: Config) -> float:
        """Return the memory of a worker: the largest of earlier runs on this data set.

        Where none of them was as large, it is what images, weights and batches take, and as much
        beside them as in the run that took most.
        """
        runs = [run for run in self.runs if _data_key(run.config) == _data_key(config)]
        peaks = [(run.speed.peak_memory_mib, _known_mib(run.config)) for run in runs]
        known = _known_mib(config)
        if any(size >= known for _, size in peaks):
            return max(peak for peak, _ in peaks)
        beside = max((peak - size for peak, size in peaks), default=_WORKER_MIB)
        return max([known + beside, *(peak for peak, _ in peaks)])


def gpu_memory_mib(config: Config) -> float:
    """Return the memory that a worker takes on its GPU: twice what is known, because TensorFlow
    takes memory in growing pieces, beside CUDA's libraries. This was not measured.
    """
    return _CUDA_MIB + 2 * _known_mib(config)


def _known_mib(config: Config) -> float:
    """Return the memory of a run whose size follows from its config: images, weights, batches."""
    data, size = config.data, config.data.features()
    sizes = data.split_sizes()
    values = sum(sizes.values()) * size * (_COPIES_OF_OWN_IMAGES if data.belongs_to_user else 1)
    active = config.active_augmentations().values()
    values += sizes["train"] * size * sum(augmentation.cost == "once" for augmentation in active)
    # Weights, gradients, two moments, the best weights, and a checkpoint being written.
    floats = training_floats(config, copies=8)
    return (values + 4 * floats) / 2**20


def work(config: Config) -> int:
    """Return a number to sort cells by: roughly, the multiplications of all forward passes."""
    images = steps_per_epoch(config) * config.train.batch_size
    classes = len(config.data.class_names())
    products = config.model.count_products(config.data.features(), classes)
    return config.train.epochs * images * products


def makespan(
    seconds: Sequence[float], workers: int, running_seconds: Sequence[float] = ()
) -> float:
    """Return the time until all cells are done if each free worker takes the longest waiting one.

    Args:
        seconds: time of each waiting cell.
        workers: number of cells that train at the same time.
        running_seconds: remaining time of each running cell.
    """
    # Cells that another process trains for the same sweep are running too, but free no worker.
    free = [
        *sorted(running_seconds)[: max(1, workers)],
        *[0.0] * (workers - len(running_seconds)),
    ] or [0.0]
    heapq.heapify(free)
    for cell in sorted(seconds, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + cell)
    return max(*free, *running_seconds) if running_seconds else max(free)


def known_runs(output_root: Path, threads: int) -> list[FinishedRun]:
    """Return the finished runs below the output root that this machine trained.

    Args:
        output_root: runs are searched up to two levels below it.
        threads: number of threads of the runs; with another number they are slower or faster.
    """
    runs = []
    here, cpu, number = versions(), cpu_name(), cores()
    for folder in find_run_folders(output_root):
        try:
            facts = read_json(folder, RUN)
            machine, made_with = facts["machine"], facts["versions"]
            if (
                facts["status"] == "finished"
                and (machine["cpu"], machine["cores"]) == (cpu, number)
                and machine["threads"] == threads
                and all(made_with[package] == here[package] for package in ("tensorflow", "keras"))
            ):
                speed = Speed.model_validate(facts["speed"])
                runs.append(FinishedRun(Config.model_validate(facts["config"]), speed))
        except (RunFolderError, KeyError, TypeError, ValidationError):
            continue  # the folder is untrusted, or of another version
    return runs


def cost_key(config: Config) -> str:
    """Return what two configs share whose epochs take equally long."""
    cost: dict[str, Any] = config.model_dump(
        exclude={
            *("seed", "name", "tags", "output_root", "artifacts", "instruments", "logger"),
            *("initializer", "schedule", "callbacks"),
        }
    )
    del cost["train"]["epochs"], cost["runtime"]["threads"], cost["runtime"]["progress"]
    del cost["data"]["path"]
    optimizer: Mapping[str, Any] = cost["optimizer"]
    cost["optimizer"] = optimizer["name"]
    active = config.active_augmentations()
    cost["augmentation"] = {name: augmentation.cost for name, augmentation in active.items()}
    return json.dumps(cost, sort_keys=True)


def _data_key(config: Config) -> str:
    """Return what two configs share whose images take equally much memory."""
    return json.dumps(config.data.model_dump(exclude={"path"}), sort_keys=True)
