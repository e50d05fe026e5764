"""The record of a run in its folder: started, alive, finished, failed, interrupted."""

import contextlib
import json
import os
import platform
import shlex
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from mlptrain.config.identity import config_hash, identity, recipe_hash
from mlptrain.config.nesting import dotted
from mlptrain.config.schema import Config
from mlptrain.config.validation import validate
from mlptrain.errors import ConfigError, MlptrainError, RunFolderError, printable
from mlptrain.machine import git_state, versions
from mlptrain.store import names
from mlptrain.store.run_folder import RunFolder

SCHEMA_VERSION = 1
HEARTBEAT_SECONDS = 15.0


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class RunRecord:
    """Writes a run's identity and status, its log and its heartbeat."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._beat = -HEARTBEAT_SECONDS

    def start(self, config: Config, command: Sequence[str]) -> None:
        """Write `config.yaml` and `run.json` before anything heavy happens."""
        resolved = config.model_dump()
        self.folder.write_text(names.CONFIG, _yaml(resolved))
        self.folder.write_json(
            names.RUN,
            {
                "schema_version": SCHEMA_VERSION,
                "run_id": self.folder.path.name,
                "status": "running",
                "reason": None,
                "config_hash": config_hash(config),
                "recipe_hash": recipe_hash(config),
                "config": resolved,
                "seed": config.seed,
                "command": list(command),
                "started": now(),
                "finished": None,
                "versions": versions(),
                "git": git_state(),
                "data": None,
                "machine": None,
                "slurm_job": os.environ.get("SLURM_JOB_ID"),
                "speed": None,
                "resumed": [],
            },
        )
        self.log(f"started: {' '.join(command)}")
        self.heartbeat()

    def resume(self) -> None:
        """Record that the run is resumed, with the config that it started with.

        Raises:
            RunFolderError: `run.json` holds another config; says what differs.
        """
        facts = self.folder.read_json(names.RUN)
        self._check_config(facts)
        self.folder.clear_unfinished()
        resumed = [*facts["resumed"], now()]
        self.folder.update_run(status="running", reason=None, finished=None, resumed=resumed)
        self.log("resumed")
        self.heartbeat()

    def _check_config(self, facts: dict[str, Any]) -> None:
        """Refuse another config: earlier and later epochs would not belong together."""
        try:
            config = validate(facts.get("config", {}))
        except ConfigError:  # of another version: the checkpoint names the config it belongs to
            return
        here, began = config_hash(config), printable(facts.get("config_hash"))
        if here == began:
            return
        differing = _differing(self._first_config(), identity(config))
        error = RunFolderError(
            "; ".join([f"the config that the run began with ({began[:8]})", *differing[0]]),
            "; ".join([f"another in {names.RUN} ({here[:8]})", *differing[1]]),
            "restore it, or start a new run with the change: mlptrain --like "
            f"{shlex.quote(printable(self.folder.path))}",
        )
        self.interrupt(f"not resumed: {error.received}")
        raise error

    def _first_config(self) -> dict[str, Any]:
        """Return the config in `config.yaml`; empty if the file was changed or cannot be read."""
        file = self.folder.file(names.CONFIG)
        try:
            text = file.read_text(encoding="utf-8") if file.stat().st_size < 1 << 16 else "&"
            if "&" in text:  # an alias: a few lines could stand for gigabytes
                return {}
            return identity(validate(yaml.safe_load(text)))
        except (OSError, ValueError, RecursionError, yaml.YAMLError, MlptrainError):
            return {}

    def facts(self, data: dict[str, Any], machine: dict[str, Any]) -> None:
        """Add what is known after data and devices were opened."""
        self.folder.update_run(data=data, machine=machine)

    def finish(self, speed: dict[str, Any], reason: str | None = None) -> None:
        """Record that every file is written.

        Args:
            speed: the time and memory that the run took.
            reason: why training ended before its last epoch; None if it did not.
        """
        self.folder.update_run(status="finished", reason=reason, finished=now(), speed=speed)
        self.log("finished" + (f": {reason}" if reason else ""))

    def remove_signs_of_life(self) -> None:
        """Remove the claim and the heartbeat, which a finished run does not need."""
        for name in (names.CLAIM, names.HEARTBEAT):
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                self.folder.file(name).unlink(missing_ok=True)

    def interrupt(self, reason: str) -> None:
        """Record that the run was stopped from outside; its files stay."""
        self.folder.update_run(status="interrupted", reason=reason, finished=now())
        self.log(f"interrupted: {reason}")

    def fail(self, error: BaseException) -> None:
        """Record a failure: the reason in `run.json`, the traceback in `train.log`."""
        self.log("".join(traceback.format_exception(error)))
        kind, message = type(error).__name__, str(error).strip()
        if isinstance(error, MlptrainError):
            kind, message = error.title, error.received
        reason = f"{kind}: {message}" if message else kind
        self.folder.update_run(status="failed", reason=reason, finished=now())

    def log(self, text: str) -> None:
        """Append a line with its time to `train.log`."""
        with self.folder.file(names.LOG).open("a", encoding="utf-8") as stream:
            stream.write(f"{now()} {text.rstrip()}\n")

    def heartbeat(self) -> None:
        """Record that the process is alive; cheap when called often."""
        if time.monotonic() - self._beat < HEARTBEAT_SECONDS:
            return
        self._beat = time.monotonic()
        text = json.dumps({"process": os.getpid(), "host": platform.node(), "time": now()})
        self.folder.write_text(names.HEARTBEAT, text + "\n")


def write_hydra(
    folder: RunFolder, config: Config, overrides: Sequence[str], hydra_yaml: str
) -> None:
    """Write `.hydra/`, which users of Hydra expect in a run folder."""
    folder.write_text(f"{names.HYDRA}/config.yaml", _yaml(config.model_dump()))
    folder.write_text(f"{names.HYDRA}/hydra.yaml", hydra_yaml)
    folder.write_text(f"{names.HYDRA}/overrides.yaml", _yaml(list(overrides)))


def _differing(began: dict[str, Any], here: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return `key=value` of each side where they differ; nothing if the first is unknown."""
    first, second = dotted(began), dotted(here)
    keys = [key for key in first | second if first.get(key) != second.get(key)] if first else []
    return (
        [printable(f"{key}={first[key]}") for key in keys if key in first],
        [printable(f"{key}={second[key]}") for key in keys if key in second],
    )


def _yaml(content: Any) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
