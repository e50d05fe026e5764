"""Record a run in an MLflow store: parameters, metrics of each epoch, artifacts at the end."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from mlptrain.errors import ConfigError
from mlptrain.locks import lock
from mlptrain.loggers.logger import LoggedRun, LoggerSettings, RunLogger

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
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


class Settings(LoggerSettings):
    """Where the store is, and the experiment that lists the runs."""

    name: Literal["mlflow"]
    uri: str | None
    experiment: Annotated[str, Field(min_length=1)]

    def check(self) -> None:
        """Refuse an address that MLflow does not know, and one with a password."""
        try:
            parts = urlsplit(self.uri or "sqlite:///mlflow.db")
        except ValueError:  # brackets that are no address
            parts = urlsplit("")
        scheme = parts.scheme.partition("+")[0]
        if parts.password is not None:
            raise ConfigError(
                "a logger.uri without a password: the config is written into every run's folder",
                f"a password in the {scheme} address",
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            )
        if scheme not in _SERVERS + _DATABASES or not parts.path + parts.netloc:
            raise ConfigError(
                "logger.uri to be sqlite:///FILE or a server's address",
                f"logger.uri={self.uri}",
                "write, for example, logger.uri=http://localhost:5000, or leave it out",
            )

    def check_ready(self) -> None:
        """Refuse to train without MLflow and, unless a server has the store, its database's."""
        served = urlsplit(self.uri or "").scheme in _SERVERS
        self.require("mlflow", *(() if served else ("sqlalchemy", "alembic")))

    def make(self, run: LoggedRun) -> RunLogger:
        """Return the logger."""
        return MlflowLogger(self, run)


class MlflowLogger(RunLogger):
    """One MLflow run, tagged with its sweep where it belongs to one."""

    def __init__(self, settings: Settings, run: LoggedRun) -> None:
        super().__init__(run)
        self._settings = settings
        self._client: MlflowClient
        self._run_id = ""

    def open(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Make the run, or resume it, and send the rows that the store lacks."""
        os.environ.update(_ENVIRONMENT | os.environ)
        for library in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
            logging.getLogger(library).setLevel(logging.CRITICAL)
        from mlflow import MlflowClient
        from mlflow.entities import Param

        root, facts = self.run.root, self.run.facts()
        known = facts.get("mlflow") or {}
        default = f"sqlite:///{(root / 'mlflow.db').as_posix()}"
        uri = self._settings.uri or str(known.get("uri", default))
        # Two workers that make one SQLite store at once leave it half made.
        with lock(root / ".mlflow.lock"):
            self._client = client = MlflowClient(tracking_uri=uri)
            if (listed := client.get_experiment_by_name(self._settings.experiment)) is not None:
                experiment = listed.experiment_id
            else:  # a server has its own place for artifacts
                place = None if uri.startswith("http") else (root / "mlartifacts").as_uri()
                experiment = client.create_experiment(self._settings.experiment, place)
        known_id = known.get("run_id") if known.get("uri") == uri else None
        # A run that was deleted in the store is not among them.
        runs = client.search_runs([experiment], f"attributes.run_id = '{known_id}'")
        if not runs:
            name = self.run.folder.name
            runs = [client.create_run(experiment, run_name=name, tags=self._tags(facts))]
        self._run_id = runs[0].info.run_id
        self.run.remember(mlflow={"uri": uri, "run_id": self._run_id})
        if not runs[0].data.params:  # a resumed run has them, and they cannot change
            params = [
                Param(key, (value if isinstance(value, str) else json.dumps(value))[:_LONGEST])
                for key, value in self.run.parameters.items()
            ]
            client.log_batch(self._run_id, params=params)
        client.update_run(self._run_id, status="RUNNING")
        client.set_tag(self._run_id, "status", "running")
        steps = {point.step for point in client.get_metric_history(self._run_id, "loss")}
        for row in history:
            if int(row["epoch"]) not in steps:
                self.send(row)

    def send(self, row: Mapping[str, Any]) -> None:
        """Send an epoch's row, under the names of history.csv, at the step of the epoch."""
        self._send({key: row[key] for key in row if key != "epoch"}, int(row["epoch"]))

    def _send(self, metrics: Mapping[str, Any], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        points = [Metric(k, float(v), now, step) for k, v in metrics.items() if v is not None]
        self._client.log_batch(self._run_id, metrics=points)

    def close(self) -> None:
        """Send the final metrics, the artifacts and the status."""
        facts, results = self.run.facts(), self.run.results()
        try:
            for key in ("status", "reason"):
                if facts.get(key):
                    self._client.set_tag(self._run_id, key, facts[key])
            if results:
                final = {f"final/{key}": value for key, value in results.items()}
                self._send(final, results["best_epoch"])
            for file in self.run.files():
                self._client.log_artifact(self._run_id, str(file))
        finally:
            self._client.set_terminated(self._run_id, _STATUS.get(facts["status"], "FAILED"))

    def _tags(self, facts: Mapping[str, Any]) -> dict[str, str]:
        tags = {"mlflow.source.name": "mlptrain", "mlflow.note.content": self.run.recipe}
        if self.run.config["tags"]:
            tags["tags"] = ", ".join(self.run.config["tags"])
        if commit := (facts.get("git") or {}).get("commit"):
            tags["mlflow.source.git.commit"] = commit
        return self.run.labels() | tags
