"""The interface of a callback: what it takes in after each epoch and what it may change.

Each callback takes the same decisions as its namesake in Keras 3.15, but keeps all it remembers
in a dict of JSON values, so that a checkpoint can hold it: Keras's own forget their counters when
a run is resumed. Epochs count from 1. NaN is never an improvement, not even in the first epoch,
where Keras takes whatever comes as the best so far.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from ctypes import c_float
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel

from mlptrain.errors import RunFolderError
from mlptrain.history import metrics
from mlptrain.ranges import STRICT

if TYPE_CHECKING:
    Monitor: TypeAlias = str
else:
    Monitor = Literal[tuple(column.key for column in metrics())]
Row = Mapping[str, Any]
State = dict[str, float | int | None]


def single_precision(value: float) -> float:
    """Return the nearest float32 value, without importing NumPy for it."""
    return c_float(value).value


class Callback(ABC):
    """Decides something after each epoch. The attributes are the effects that it may have.

    Attributes:
        stop: whether training ends after the last updated epoch.
        rate_factor: multiplies the schedule's learning rates in the next epoch.
        is_best: whether the weights of the last updated epoch are the ones to keep.
        keeps_best: whether the run ends with the weights of `best_epoch`.
        best_epoch: the best epoch so far; 0 before the first.
        remembers: names of the attributes that later decisions depend on.
    """

    stop: bool = False
    rate_factor: float = 1.0
    is_best: bool = False
    keeps_best: ClassVar[bool] = False
    best_epoch: int = 0
    remembers: ClassVar[tuple[str, ...]] = ()

    @property
    def stop_reason(self) -> str:
        """Why training ended, once `stop` is true: a clause such as `val_loss had not improved`."""
        return f"the callback {type(self).__name__} ended it"

    @abstractmethod
    def update(self, epoch: int, row: Row) -> None:
        """Take in a finished epoch and its row of history.csv."""

    def state(self) -> State:
        """Return everything that later decisions depend on, as JSON values."""
        return {name: getattr(self, name) for name in self.remembers}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from what `state()` returned earlier.

        Raises:
            RunFolderError: the keys or the types are not those of this callback's state.
        """
        current = self.state()
        numbers = all(
            isinstance(value, int | float) or (value is None and name == "best")
            for name, value in state.items()
        )
        if state.keys() != current.keys() or not numbers:
            raise RunFolderError(
                expected=f"numbers for {', '.join(current)} in the state of {type(self).__name__}",
                received=f"{state!r}"[:200],
                action="the checkpoint is damaged or of another version: start the run again",
            )
        for name, value in state.items():
            setattr(self, name, value)


class MonitorCallback(Callback):
    """A callback that follows one metric, and so knows its direction and its best value.

    Args:
        monitor: a metric of history.csv.
        min_delta: how much better than the best a value must be to count as an improvement, in
            the metric's own unit.

    Attributes:
        best: the best value so far; None before the first.

    Raises:
        ValueError: history.csv has no such metric.
    """

    def __init__(self, monitor: str, min_delta: float = 0.0) -> None:
        better = {column.key: column.better for column in metrics()}
        if monitor not in better:
            raise ValueError(f"Expected one of {', '.join(better)}, received {monitor!r}.")
        self.monitor = monitor
        self.maximize = better[monitor] == "higher"
        self.min_delta = abs(min_delta)
        self.best: float | None = None

    def has_improved(self, value: float) -> bool:
        """Return whether a value is better than the best so far by more than `min_delta`."""
        if math.isnan(value):
            return False
        if self.best is None:
            return True
        # Keras subtracts in double precision and compares in single: so do we, or values that
        # differ by just min_delta would be decided otherwise.
        if self.maximize:
            return single_precision(value - self.min_delta) > single_precision(self.best)
        return single_precision(value + self.min_delta) < single_precision(self.best)


class CallbackSettings(BaseModel, ABC):
    """A node below `callbacks`: its fields are the keys in YAML.

    Attributes:
        enabled: whether a run has the callback.
        position: its place among the callbacks of a config, lowest first.
    """

    position: ClassVar[int] = 100

    model_config = STRICT
    enabled: bool

    @abstractmethod
    def make(self, learning_rate: float) -> Callback:
        """Return a fresh callback; `learning_rate` is the optimizer's from the config."""


class MonitorSettings(CallbackSettings):
    """Settings of a callback that follows one metric."""

    monitor: Monitor

    @property
    def keeps_best(self) -> bool:
        """Whether the run ends with the weights of the metric's best epoch."""
        return False
