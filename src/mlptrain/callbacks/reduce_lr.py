"""Lower the learning rate when a metric no longer improves."""

from __future__ import annotations

from mlptrain.callbacks.callback import MonitorCallback, MonitorSettings, Row, single_precision
from mlptrain.ranges import NonNegative, NonNegativeInt, PositiveFraction


class Settings(MonitorSettings):
    """Multiply the learning rate by `factor` after `patience` epochs without improvement."""

    position = 1

    factor: PositiveFraction
    patience: NonNegativeInt
    min_delta: NonNegative
    cooldown: NonNegativeInt
    min_lr: NonNegative

    def make(self, learning_rate: float) -> ReduceLROnPlateau:
        """Return a fresh callback."""
        return ReduceLROnPlateau(
            self.monitor,
            self.factor,
            self.patience,
            self.min_delta,
            self.cooldown,
            self.min_lr,
            base_learning_rate=learning_rate,
        )


class ReduceLROnPlateau(MonitorCallback):
    """Lower the learning rate on a plateau, as keras.callbacks.ReduceLROnPlateau does.

    Keras writes the optimizer's rate, and so cannot be used together with a schedule. Here the
    rate used is schedule(step) times `rate_factor`, so both work together. A rate at or below
    `min_lr`, which a schedule may reach by itself, is not lowered.

    Args:
        monitor: a column of history.csv.
        factor: what one reduction multiplies the rate by, in (0, 1).
        patience: epochs without improvement before a reduction.
        min_delta: how much better than the best a value must be to count as an improvement.
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: `base_learning_rate` times `rate_factor` never goes below it.
        base_learning_rate: the optimizer's rate from the config.

    Attributes:
        rate_factor: the product of all reductions so far; 1.0 at the start.
        wait: epochs without improvement since the best value, or since the last reduction.
        cooldown_left: epochs of the cool-down still to come.
    """

    remembers = ("best", "rate_factor", "wait", "cooldown_left")

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
        self.factor = factor
        self.patience = patience
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.base_learning_rate = base_learning_rate
        self.wait = 0
        self.cooldown_left = 0

    def update(self, epoch: int, row: Row) -> None:
        """Take in a finished epoch; its `learning_rate` is that of its last step."""
        value = row[self.monitor]
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
            self.wait = 0
        if self.has_improved(value):
            self.best = float(value)
            self.wait = 0
        elif self.cooldown_left == 0:
            self.wait += 1
            if self.wait >= self.patience and self._reduce(row["learning_rate"]):
                self.cooldown_left = self.cooldown
                self.wait = 0

    def _reduce(self, learning_rate: float) -> bool:
        if single_precision(learning_rate) <= single_precision(self.min_lr):
            return False
        lowered = max(self.rate_factor * self.factor, self.min_lr / self.base_learning_rate)
        if lowered >= self.rate_factor:
            return False
        self.rate_factor = lowered
        return True
