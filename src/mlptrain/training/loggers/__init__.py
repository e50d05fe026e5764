"""Where the metrics of each epoch go beside history.csv: the interface, and the choice of one."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mlptrain.config.schema import Config
from mlptrain.store.run_record import RunRecord


class RunLogger(Protocol):
    """Receives the metrics of each epoch. Implementations must not raise."""

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Prepare for the first epoch, or for the one after `history` of a resumed run."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Record a finished epoch, given its row of history.csv."""

    def finish(self) -> None:
        """Record the end of the run, as its folder says; `start` may not have been called."""


def make_logger(config: Config, record: RunRecord) -> RunLogger | None:
    """Return the logger that the config asks for, without importing its library yet.

    Raises:
        ConfigError: its library is not installed.
    """
    if config.logger.name == "mlflow":
        from mlptrain.config.validation import check_installed
        from mlptrain.training.loggers.mlflow import MlflowLogger

        check_installed(config.logger)
        return MlflowLogger(config, record)
    if config.logger.name == "tensorboard" and config.artifacts == "full":
        from mlptrain.training.loggers.tensorboard import TensorBoardLogger

        return TensorBoardLogger(record)
    return None
