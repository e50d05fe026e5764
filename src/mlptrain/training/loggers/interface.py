"""Where the figures of each epoch go beside history.csv: what a logger does, and which one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mlptrain.config.schema import Config
from mlptrain.store.run_record import RunRecord


class RunLogger(Protocol):
    """Hears how a run goes; nothing that it does may end the run."""

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """The first epoch is about to begin, or the one after `history` of a resumed run."""

    def log(self, row: Mapping[str, Any]) -> None:
        """An epoch is over; its row of history.csv."""

    def finish(self) -> None:
        """The run has ended, as its folder tells; it may not have come as far as `start`."""


def make_logger(config: Config, record: RunRecord) -> RunLogger | None:
    """The logger that the config asks for; imports none of the libraries yet.

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
