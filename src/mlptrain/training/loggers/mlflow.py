"""Record a run in an MLflow store: parameters, metrics of each epoch, artifacts at the end.

No failure of the store ends a run. `train.log` says so once; what is missing in the store is sent
when the run ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlptrain.config.nesting import dotted
from mlptrain.config.recipe import recipe_line
from mlptrain.config.schema import Config
from mlptrain.errors import reason_of
from mlptrain.locks import lock
from mlptrain.store import names
from mlptrain.store.run_record import RunRecord
from mlptrain.store.runs import read_history

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEY = "mlflow"
"""In run.json: the store and the run's id in it."""

_NOT_SENT = (names.RUN, names.PREDICTIONS)
"""Files that MLflow's parameters and metrics stand for, or that are large."""

_STATUS = {"finished": "FINISHED", "interrupted": "KILLED"}  # else FAILED
_LONGEST = 6000  # characters of a parameter

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # MLflow's own would hold up a run for minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
"""The user's environment wins."""


class MlflowLogger:
    """One MLflow run, tagged with its sweep where it belongs to one."""

    def __init__(self, config: Config, record: RunRecord) -> None:
        self._config = config
        self._record = record
        self._folder = record.folder
        self._client: MlflowClient | None = None  # None while the store does not answer
        self._run_id = ""
        self._failure_logged = False

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Make the run, or resume it and send the epochs that the store lacks."""
        self._attempt(lambda: self._open(history))

    def log(self, row: Mapping[str, Any]) -> None:
        """Send an epoch's row, under the names of history.csv, at the step of the epoch."""
        if self._client is not None:
            self._attempt(lambda: self._send(row, int(row["epoch"])))

    def finish(self) -> None:
        """Send what is missing, the final metrics, the artifacts and the status."""
        # Ctrl-C is for a store that hangs: the run has ended already.
        with contextlib.suppress(KeyboardInterrupt):
            self._attempt(self._send_end)

    def _attempt(self, send: Callable[[], None]) -> None:
        """Call `send`, quietly: the terminal shows the run; log the first failure."""
        os.environ.update(_ENVIRONMENT | os.environ)
        for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            with warnings.catch_warnings(action="ignore"):
                send()
        except Exception as error:
            self._client = None
            if not self._failure_logged:
                self._failure_logged = True
                with contextlib.suppress(OSError):
                    self._record.log(
                        f"mlflow: {type(error).__name__}: {reason_of(error)}; the run continues, "
                        "and MLflow is tried again at its end"
                    )

    def _open(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Find or make the run, and send the rows that it lacks."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        facts = self._folder.read_json(names.RUN)
        known = facts.get(KEY) or {}
        parent = self._folder.path.parent
        root = Path(self._config.output_root).expanduser().resolve()
        # A run that is resumed from another directory is not below its relative output root.
        root = root if root in self._folder.path.parents else parent
        default = f"sqlite:///{(root / names.MLFLOW_DATABASE).as_posix()}"
        uri = self._config.logger.uri or str(known.get("uri", default))
        name = self._config.logger.experiment or "mlptrain"
        # Two workers that make one SQLite store at once leave it half made.
        with lock(root / names.MLFLOW_LOCK):
            client = MlflowClient(tracking_uri=uri)
            if (known_experiment := client.get_experiment_by_name(name)) is not None:
                experiment = known_experiment.experiment_id
            else:  # a server has its own place for artifacts
                place = None if uri.startswith("http") else (root / "mlartifacts").as_uri()
                experiment = client.create_experiment(name, place)
        known_id = known.get("run_id") if known.get("uri") == uri else None
        # A run that was deleted in the store is not among them.
        runs = client.search_runs([experiment], f"attributes.run_id = '{known_id}'")
        if not runs:
            tags = _tags(facts, self._config) | ({"sweep": parent.name} if parent != root else {})
            runs = [client.create_run(experiment, run_name=self._folder.path.name, tags=tags)]
        self._run_id = runs[0].info.run_id
        self._folder.update_run(**{KEY: {"uri": uri, "run_id": self._run_id}})
        if not runs[0].data.params:  # a resumed run has them, and they cannot change
            params = [
                Param(key, (value if isinstance(value, str) else json.dumps(value))[:_LONGEST])
                for key, value in dotted(self._config.model_dump()).items()
            ]
            client.log_batch(self._run_id, params=params)
        client.update_run(self._run_id, status="RUNNING")
        client.set_tag(self._run_id, "status", "running")
        self._client = client
        steps = {point.step for point in client.get_metric_history(self._run_id, "loss")}
        for row in history:
            if int(row["epoch"]) not in steps:
                self._send(row, int(row["epoch"]))

    def _send(self, metrics: Mapping[str, Any], step: int) -> None:
        from mlflow.entities import Metric

        assert self._client is not None
        now = int(time.time() * 1000)
        points = [
            Metric(key, float(value), now, step)
            for key, value in metrics.items()
            if value is not None and key != "epoch"
        ]
        self._client.log_batch(self._run_id, metrics=points)

    def _send_end(self) -> None:
        self._open(read_history(self._folder.path))
        assert self._client is not None
        facts = self._folder.read_json(names.RUN)
        for key in ("status", "reason"):
            if facts.get(key):
                self._client.set_tag(self._run_id, key, facts[key])
        try:
            if facts["status"] == "finished":
                final = self._folder.read_json(names.METRICS)
                self._send({f"final/{key}": v for key, v in final.items()}, final["best_epoch"])
            for name, _ in self._folder.contents():
                if (file := self._folder.file(name)).is_file() and name not in _NOT_SENT:
                    self._client.log_artifact(self._run_id, str(file))
        finally:
            self._client.set_terminated(self._run_id, _STATUS.get(facts["status"], "FAILED"))


def _tags(facts: Mapping[str, Any], config: Config) -> dict[str, str]:
    tags = {key: str(facts[key]) for key in ("run_id", "config_hash", "recipe_hash", "seed")}
    tags |= {"mlflow.source.name": "mlptrain", "mlflow.note.content": recipe_line(config)}
    if config.tags:
        tags["tags"] = ", ".join(config.tags)
    if commit := (facts.get("git") or {}).get("commit"):
        tags["mlflow.source.git.commit"] = commit
    return tags
