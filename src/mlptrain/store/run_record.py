"""The life of a run as its folder tells it: started, alive, finished, failed, interrupted."""

from __future__ import annotations

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
from mlptrain.store import run_folder as names
from mlptrain.store.run_folder import RunFolder

SCHEMA_VERSION = 1
HEARTBEAT_SECONDS = 15.0


def now() -> str:
    """The time as ISO 8601 in UTC, to the second."""
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
                "speed": None,
                "resumed": [],
            },
        )
        self.log(f"started: {' '.join(command)}")
        self.heartbeat()

    def resume(self) -> None:
        """Note that the run goes on, with the config that it began with.

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
        """The epochs so far and those to come must be of one config."""
        try:
            config = validate(facts.get("config", {}))
        except ConfigError:  # of another version: the checkpoint knows whether it belongs here
            return
        here, began = config_hash(config), printable(facts.get("config_hash"))
        if here == began:
            return
        differing = _differing(self._first_config(), identity(config))
        error = RunFolderError(
            "; ".join([f"the config that the run began with ({began[:8]})", *differing[0]]),
            "; ".join([f"another in {names.RUN} ({here[:8]})", *differing[1]]),
            "restore it, or start anew with the change: mlptrain --like "
            f"{shlex.quote(printable(self.folder.path))}",
        )
        self.interrupt(f"not resumed: {error.received}")
        raise error

    def _first_config(self) -> dict[str, Any]:
        """From `config.yaml`; empty where that is not as it was written."""
        file = self.folder.file(names.CONFIG)
        try:
            text = file.read_text(encoding="utf-8") if file.stat().st_size < 1 << 16 else "&"
            if "&" in text:  # an alias: a few lines could stand for gigabytes
                return {}
            return identity(validate(yaml.safe_load(text)))
        except (OSError, ValueError, RecursionError, yaml.YAMLError, MlptrainError):
            return {}

    def facts(self, data: dict[str, Any], machine: dict[str, Any]) -> None:
        """Add what is known once data and devices were opened."""
        self.folder.update_run(data=data, machine=machine)

    def finish(self, speed: dict[str, Any]) -> None:
        """Everything is written and describes the same weights; `speed` is what it took."""
        self.folder.update_run(status="finished", reason=None, finished=now(), speed=speed)
        self.log("finished")

    def interrupt(self, reason: str) -> None:
        """The run was stopped from outside; what was written stays."""
        self.folder.update_run(status="interrupted", reason=reason, finished=now())
        self.log(f"interrupted: {reason}")

    def fail(self, error: BaseException) -> None:
        """Reason in `run.json`, traceback in `train.log`."""
        self.log("".join(traceback.format_exception(error)))
        kind, told = type(error).__name__, str(error).strip()
        if isinstance(error, MlptrainError):
            kind, told = error.title, error.received
        reason = f"{kind}: {told}" if told else kind
        self.folder.update_run(status="failed", reason=reason, finished=now())

    def log(self, text: str) -> None:
        """Append a line with its time to `train.log`."""
        with self.folder.file(names.LOG).open("a", encoding="utf-8") as stream:
            stream.write(f"{now()} {text.rstrip()}\n")

    def heartbeat(self) -> None:
        """Say that the process is alive; cheap when called often."""
        if time.monotonic() - self._beat < HEARTBEAT_SECONDS:
            return
        self._beat = time.monotonic()
        text = json.dumps({"process": os.getpid(), "host": platform.node(), "time": now()})
        self.folder.write_text(names.HEARTBEAT, text + "\n")


def write_hydra(
    folder: RunFolder, config: Config, overrides: Sequence[str], hydra_yaml: str
) -> None:
    """`.hydra/`, as Hydra's users expect it beside a run."""
    folder.write_text(f"{names.HYDRA}/config.yaml", _yaml(config.model_dump()))
    folder.write_text(f"{names.HYDRA}/hydra.yaml", hydra_yaml)
    folder.write_text(f"{names.HYDRA}/overrides.yaml", _yaml(list(overrides)))


def _differing(began: dict[str, Any], here: dict[str, Any]) -> tuple[list[str], list[str]]:
    """`key=value` of each side where they differ; nothing where one side is not known."""
    left, right = dotted(began), dotted(here)
    keys = [key for key in left | right if left.get(key) != right.get(key)] if left else []
    return (
        [printable(f"{key}={left[key]}") for key in keys if key in left],
        [printable(f"{key}={right[key]}") for key in keys if key in right],
    )


def _yaml(content: Any) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
