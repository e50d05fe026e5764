"""What loggers have in common: their settings, the run as they see it, and what failures do."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, model_validator

from mlptrain.errors import ConfigError, reason_of
from mlptrain.ranges import STRICT


@dataclass(frozen=True)
class LoggedRun:
    """A run as its logger sees it; the functions read and write the run's folder.

    Attributes:
        folder: of the run.
        root: the output root, for files that several runs share.
        sweep: name of the sweep that the run is a cell of; None for a single run.
        config: the resolved config as plain data.
        parameters: the same with dotted keys.
        recipe: the config in one line.
        facts: returns `run.json`.
        remember: writes keys of `run.json`, for what a resumed run has to know.
        history: returns the rows of `history.csv`.
        results: returns `metrics.json`; nothing before the run has finished.
        files: returns the files that a logger should keep.
        log: appends a line to `train.log`.
    """

    folder: Path
    root: Path
    sweep: str | None
    config: Mapping[str, Any]
    parameters: Mapping[str, Any]
    recipe: str
    facts: Callable[[], Mapping[str, Any]]
    remember: Callable[..., None]
    history: Callable[[], Sequence[Mapping[str, Any]]]
    results: Callable[[], Mapping[str, Any]]
    files: Callable[[], Sequence[Path]]
    log: Callable[[str], None]

    def labels(self) -> dict[str, str]:
        """Return what identifies the run: its name, hashes, seed and sweep."""
        facts = {**self.facts(), "sweep": self.sweep}
        keys = ("run_id", "config_hash", "recipe_hash", "seed", "sweep")
        return {key: str(facts[key]) for key in keys if facts[key] is not None}


class RunLogger:
    """Sends a run somewhere. No failure of a logger ends a run: `train.log` says so once.

    Subclasses define `open`, `send` and `close`, which may raise. After a failure nothing is sent
    before the end of the run; then `open` is called again, with the whole history.
    """

    opens_again: ClassVar[bool] = True

    def __init__(self, run: LoggedRun) -> None:
        self.run = run
        self._is_open = False
        self._failure_logged = False

    def open(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Prepare for the next epoch, and send the rows of `history` that have not arrived."""
        raise NotImplementedError

    def send(self, row: Mapping[str, Any]) -> None:
        """Send an epoch's row: the columns of history.csv, and the means of layers.csv."""
        raise NotImplementedError

    def close(self) -> None:
        """Send the end of the run, as its folder says."""
        raise NotImplementedError

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Prepare for the first epoch, or for the one after `history` of a resumed run."""
        self._is_open = self._succeeds(self.open, history)

    def log(self, row: Mapping[str, Any]) -> None:
        """Record a finished epoch."""
        self._is_open = self._is_open and self._succeeds(self.send, row)

    def finish(self) -> None:
        """Record the end of the run; `start` may not have been called."""
        # Ctrl-C is for a server that hangs: the run has ended already.
        with contextlib.suppress(KeyboardInterrupt):
            if not self._is_open and self.opens_again:
                self._is_open = self._succeeds(lambda: self.open(self.run.history()))
            if self._is_open:
                self._succeeds(self.close)

    def _succeeds(self, act: Callable[..., None], *arguments: Any) -> bool:
        """Call a method quietly, because the terminal shows the run; log the first failure."""
        try:
            with warnings.catch_warnings(action="ignore"):
                act(*arguments)
        except Exception as error:
            if not self._failure_logged:
                self._failure_logged = True
                again = ", and the logger is tried again at its end" * self.opens_again
                with contextlib.suppress(OSError):
                    self.run.log(
                        f"{self.run.config['logger']['name']}: {type(error).__name__}: "
                        f"{reason_of(error)}; the run continues{again}"
                    )
            return False
        return True


class LoggerSettings(BaseModel):
    """The `logger` node of a config: its fields are the keys of the logger's YAML file.

    A logger is one module of this package, named as its `name`, whose class `Settings` is a
    subclass.
    """

    model_config = STRICT
    name: str

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, node: Any) -> Any:
        """Drop MLflow's empty keys, which earlier configs have whatever their logger."""
        if not isinstance(node, Mapping):
            return node
        return {k: v for k, v in node.items() if v is not None or k in cls.model_fields}

    def check(self) -> None:
        """Raise a ConfigError where the keys' values are not possible."""

    def check_ready(self) -> None:
        """Raise a ConfigError where a run cannot be logged; reading runs does not need this."""

    def make(self, run: LoggedRun) -> RunLogger | None:
        """Return the logger of a run, without importing its library yet; None without one."""
        return None

    def require(self, *packages: str) -> None:
        """Raise a ConfigError with the command that installs a missing package."""
        if missing := [package for package in packages if find_spec(package) is None]:
            raise ConfigError(
                f"{missing[0]} to be installed for logger={self.name}",
                f"no package {missing[0]}",
                f"pip install 'mlptrain[{self.name}]'",
            )
