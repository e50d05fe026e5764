"""Early stopping, rate reduction and best-epoch tracking, decided epoch by epoch.

Each class takes the same decisions as its namesake in Keras 3.15, but keeps all it remembers in
a dict of JSON values, so that a checkpoint can hold it: Keras's own forget their counters when a
run is resumed. Epochs count from 1. NaN is never an improvement, not even in the first epoch,
where Keras takes whatever comes as the best so far.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from mlptrain.errors import RunFolderError

State = dict[str, float | int | None]


class _Monitor:
    """What the three have in common: the direction of a metric, its best value, and the state.

    Args:
        monitor: a column of history.csv whose name ends in "accuracy" (more is better) or
            "loss" (less is better).
        min_delta: how much better than the best a value must be to count as an improvement, in
            the metric's own unit.

    Raises:
        ValueError: the name of the metric does not say which direction is better.
    """

    _remembers: ClassVar[tuple[str, ...]] = ("best",)

    def __init__(self, monitor: str, min_delta: float = 0.0) -> None:
        if not monitor.endswith(("accuracy", "loss")):
            raise ValueError(
                f"Expected a metric that ends in 'accuracy' or 'loss', received {monitor!r}."
            )
        self.monitor = monitor
        self.maximize = monitor.endswith("accuracy")
        self.min_delta = abs(min_delta)
        self.best: float | None = None

    def _improved(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self.best is None:
            return True
        # Keras subtracts in double precision and compares in single: so do we, or values that
        # differ by just min_delta would be decided otherwise.
        if self.maximize:
            return bool(np.float32(value - self.min_delta) > np.float32(self.best))
        return bool(np.float32(value + self.min_delta) < np.float32(self.best))

    def state(self) -> State:
        """Everything that later decisions depend on, as JSON values."""
        return {name: getattr(self, name) for name in self._remembers}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state()` returned earlier.

        Raises:
            RunFolderError: the keys or the types are not those of this callback's state.
        """
        wanted = self.state()
        numbers = all(
            isinstance(value, int | float) or (value is None and name == "best")
            for name, value in state.items()
        )
        if state.keys() != wanted.keys() or not numbers:
            raise RunFolderError(
                expected=f"numbers for {', '.join(wanted)} in the state of {type(self).__name__}",
                received=f"{state!r}"[:200],
                action="the checkpoint is damaged or of another version: start the run again",
            )
        for name, value in state.items():
            setattr(self, name, value)


class EarlyStopping(_Monitor):
    """Stop after `patience` epochs without improvement, as keras.callbacks.EarlyStopping does.

    Attributes:
        best: the best value so far; None before the first.
        best_epoch: the epoch that gave it; 0 before the first.
        wait: epochs since then.
        stopped: what the last update returned; kept, so that a run that was killed between its
            last epoch and its last file is not trained further when it is resumed.

    Example:
        >>> stopping = EarlyStopping("val_loss", patience=2)
        >>> [stopping.update(epoch, loss) for epoch, loss in enumerate([2.0, 2.1, 2.2], 1)]
        [False, False, True]
    """

    _remembers = ("best", "best_epoch", "wait", "stopped")

    def __init__(self, monitor: str, patience: int, min_delta: float = 0.0) -> None:
        super().__init__(monitor, min_delta)
        self.patience = patience
        self.best_epoch = 0
        self.wait = 0
        self.stopped = False

    def update(self, epoch: int, value: float) -> bool:
        """Take in the metric of a finished epoch; True when training must stop."""
        self.wait += 1
        if self._improved(value):
            self.best = float(value)
            self.best_epoch = epoch
            self.wait = 0
            self.stopped = False
        else:
            self.stopped = self.wait >= self.patience and epoch > 1
        return self.stopped


class ReduceLROnPlateau(_Monitor):
    """Lower the learning rate on a plateau, as keras.callbacks.ReduceLROnPlateau does.

    Keras writes the optimizer's rate, and so cannot be used together with a schedule. Here the
    rate used is schedule(step) times `factor`, so both work together.

    Args:
        monitor: see EarlyStopping.
        factor: what one reduction multiplies the rate by, in (0, 1).
        patience: epochs without improvement before a reduction.
        min_delta: see EarlyStopping.
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: `base_learning_rate` times the factor never goes below it.
        base_learning_rate: the optimizer's rate from the config.

    Attributes:
        factor: the product of all reductions so far; 1.0 at the start.
        best: the best value so far; None before the first.
        wait: epochs without improvement since then, or since the last reduction.
        cooldown_left: epochs of the cool-down still to come.
    """

    _remembers = ("best", "factor", "wait", "cooldown_left")

    def __init__(
        self,
        monitor: str,
        factor: float,
        patience: int,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        *,
        base_learning_rate: float,
    ) -> None:
        super().__init__(monitor, min_delta)
        self.reduction = factor
        self.patience = patience
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.base_learning_rate = base_learning_rate
        self.factor = 1.0
        self.wait = 0
        self.cooldown_left = 0

    def update(self, value: float, learning_rate: float) -> bool:
        """Take in the metric of a finished epoch; True when the factor was lowered.

        Args:
            value: the monitored metric.
            learning_rate: the rate of the epoch's last step. At or below `min_lr`, which a
                schedule may reach by itself, there is nothing to lower.
        """
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
            self.wait = 0
        if self._improved(value):
            self.best = float(value)
            self.wait = 0
            return False
        if self.cooldown_left > 0:
            return False
        self.wait += 1
        if self.wait < self.patience or not self._reduce(learning_rate):
            return False
        self.cooldown_left = self.cooldown
        self.wait = 0
        return True

    def _reduce(self, learning_rate: float) -> bool:
        if np.float32(learning_rate) <= np.float32(self.min_lr):
            return False
        lowered = max(self.factor * self.reduction, self.min_lr / self.base_learning_rate)
        if lowered >= self.factor:
            return False
        self.factor = lowered
        return True


class BestEpoch(_Monitor):
    """Which epoch is the best so far, as keras.callbacks.ModelCheckpoint(save_best_only=True).

    Attributes:
        best: the best value so far; None before the first.
        best_epoch: the epoch that gave it; 0 before the first.
    """

    _remembers = ("best", "best_epoch")

    def __init__(self, monitor: str) -> None:
        super().__init__(monitor)
        self.best_epoch = 0

    def update(self, epoch: int, value: float) -> bool:
        """Take in the metric of a finished epoch; True when it is the best so far."""
        if not self._improved(value):
            return False
        self.best = float(value)
        self.best_epoch = epoch
        return True
