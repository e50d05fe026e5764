"""Stop training when a metric no longer improves."""

from __future__ import annotations

from mlptrain.callbacks.callback import MonitorCallback, MonitorSettings, Row
from mlptrain.ranges import NonNegative, NonNegativeInt


class Settings(MonitorSettings):
    """Stop when the monitored metric has not improved for `patience` epochs."""

    position = 0

    patience: NonNegativeInt
    min_delta: NonNegative
    restore_best: bool

    @property
    def keeps_best(self) -> bool:
        """Whether the run ends with the weights of the metric's best epoch."""
        return self.restore_best

    def make(self, learning_rate: float) -> EarlyStopping:
        """Return a fresh callback."""
        return EarlyStopping(self.monitor, self.patience, self.min_delta)


class EarlyStopping(MonitorCallback):
    """Stop after `patience` epochs without improvement, as keras.callbacks.EarlyStopping does.

    `stop` is part of the state, so that a run that was killed between its last epoch and its last
    file is not trained further when it is resumed.

    Attributes:
        wait: epochs since the best value.

    Example:
        >>> stopping = EarlyStopping("val_loss", patience=2)
        >>> for epoch, loss in enumerate([2.0, 2.1, 2.2], 1):
        ...     stopping.update(epoch, {"val_loss": loss})
        >>> stopping.stop
        True
    """

    remembers = ("best", "best_epoch", "wait", "stop")

    def __init__(self, monitor: str, patience: int, min_delta: float = 0.0) -> None:
        super().__init__(monitor, min_delta)
        self.patience = patience
        self.wait = 0

    @property
    def stop_reason(self) -> str:
        """Why training ended: the metric, and for how many epochs it had not improved."""
        margin = f" by more than {self.min_delta:g}" if self.min_delta else ""
        return f"{self.monitor} had not improved{margin} for {self.wait}"

    def update(self, epoch: int, row: Row) -> None:
        """Take in a finished epoch."""
        value = row[self.monitor]
        self.wait += 1
        if self.has_improved(value):
            self.best, self.best_epoch = float(value), epoch
            self.wait = 0
            self.stop = False
        else:
            self.stop = self.wait >= self.patience and epoch > 1
