"""No logger: `history.csv` and the other files of the run's folder are all there is."""

from typing import Literal

from mlptrain.loggers.logger import LoggerSettings


class Settings(LoggerSettings):
    """No keys of its own."""

    name: Literal["none"]
