"""Record a run in Weights & Biases: parameters, metrics of each epoch, artifacts at the end."""

from __future__ import annotations

import contextlib
import netrc
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from mlptrain.errors import ConfigError
from mlptrain.loggers.logger import LoggedRun, LoggerSettings, RunLogger

if TYPE_CHECKING:
    from wandb import Run

_ENVIRONMENT = {
    "WANDB_SILENT": "true",
    "WANDB_CONSOLE": "off",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SYMLINK": "false",
    "WANDB_X_DISABLE_STATS": "true",  # a process that measures the machine
    "WANDB_INIT_TIMEOUT": "30",  # seconds; W&B's own would hold up a run for minutes
    "WANDB_FINISH_TIMEOUT": "300",
}
"""The user's environment wins."""


class Settings(LoggerSettings):
    """Whether to send the run, and the project that lists the runs."""

    name: Literal["wandb"]
    mode: Literal["offline", "online"]
    project: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^/\\#?%:]*$")]

    def check_ready(self) -> None:
        """Refuse to train without the package and, online, without an API key."""
        self.require("wandb")
        if self.mode == "online" and not _is_logged_in():
            raise ConfigError(
                "an account of W&B for logger.mode=online",
                "no API key in WANDB_API_KEY or in the file that `wandb login` writes",
                "log in with `wandb login`, or leave out logger.mode and run `wandb sync` later",
            )

    def make(self, run: LoggedRun) -> RunLogger:
        """Return the logger."""
        return WandbLogger(self, run)


def _is_logged_in() -> bool:
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).netloc
    for file in [os.environ["NETRC"]] if "NETRC" in os.environ else ["~/.netrc", "~/_netrc"]:
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            if netrc.netrc(Path(file).expanduser()).authenticators(host):
                return True
    return False


class WandbLogger(RunLogger):
    """One W&B run, in the group of its sweep where it belongs to one."""

    def __init__(self, settings: Settings, run: LoggedRun) -> None:
        super().__init__(run)
        self._settings = settings
        self._wandb_run: Run | None = None

    def open(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Make the run, or resume it under its id, and send the rows that it lacks."""
        folder = self.run.root / "wandb"
        places = {f"WANDB_{name}_DIR": str(folder / ".data") for name in ("CACHE", "DATA")}
        os.environ.update(_ENVIRONMENT | places | os.environ)
        import wandb

        if self._wandb_run is not None:  # it failed
            with contextlib.suppress(Exception):
                self._wandb_run.finish(exit_code=1)
        known = str((self.run.facts().get("wandb") or {}).get("id"))
        # A folder may be untrusted, and files with this id are removed below.
        run_id = known if re.fullmatch("[0-9a-f]{16}", known) else secrets.token_hex(8)
        self.run.remember(wandb={"id": run_id})
        if self._settings.mode == "offline":  # the new files get all epochs
            for earlier in folder.glob(f"offline-run-*-{run_id}"):
                shutil.rmtree(earlier, ignore_errors=True)
        self._wandb_run = wandb.init(
            id=run_id,
            resume="allow",
            reinit="create_new",
            mode=self._settings.mode,
            dir=self.run.root,
            project=self._settings.project,
            group=self.run.sweep,
            name=self.run.folder.name,
            notes=self.run.recipe,
            tags=[tag[:64] for tag in self.run.config["tags"]],
            config={**self.run.labels(), **self.run.config},
        )
        for row in history:
            if int(row["epoch"]) >= self._wandb_run.step:
                self.send(row)

    def send(self, row: Mapping[str, Any]) -> None:
        """Send an epoch's row, under the names of history.csv, at the step of the epoch."""
        assert self._wandb_run is not None
        values = {key: row[key] for key in row if key != "epoch" and row[key] is not None}
        self._wandb_run.log(values, step=int(row["epoch"]), commit=True)

    def close(self) -> None:
        """Send the final metrics, the artifacts and the status."""
        import wandb

        assert self._wandb_run is not None
        facts = self.run.facts()
        try:
            final = {f"final/{key}": value for key, value in self.run.results().items()}
            ended = {key: facts[key] for key in ("status", "reason") if facts.get(key)}
            self._wandb_run.summary.update(ended | final)
            artifact = wandb.Artifact(f"run-{self._wandb_run.id}", type="run")
            for file in self.run.files():
                artifact.add_file(str(file), policy="immutable", skip_cache=True)
            self._wandb_run.log_artifact(artifact)
        finally:
            self._wandb_run.finish(exit_code=0 if facts["status"] == "finished" else 1)
