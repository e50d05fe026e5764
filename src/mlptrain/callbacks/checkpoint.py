"""Keep the weights of the best epoch."""

from __future__ import annotations

from mlptrain.callbacks.callback import MonitorCallback, MonitorSettings, Row


class Settings(MonitorSettings):
    """Keep the weights of the best epoch; they become `model.keras`."""

    position = 2

    @property
    def keeps_best(self) -> bool:
        """Whether the run ends with the weights of the metric's best epoch: always."""
        return True

    def make(self, learning_rate: float) -> Checkpoint:
        """Return a fresh callback."""
        return Checkpoint(self.monitor)


class Checkpoint(MonitorCallback):
    """Find the best epoch, as keras.callbacks.ModelCheckpoint(save_best_only=True) does."""

    keeps_best = True
    remembers = ("best", "best_epoch")

    def update(self, epoch: int, row: Row) -> None:
        """Take in a finished epoch."""
        value = row[self.monitor]
        self.is_best = self.has_improved(value)
        if self.is_best:
            self.best, self.best_epoch = float(value), epoch
