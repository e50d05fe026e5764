"""Runs in an MLflow store; a sweep's are children of one parent. No failure of it ends a run."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from mlptrain.config.nesting import dotted
from mlptrain.config.recipe import recipe_line
from mlptrain.config.schema import Config
from mlptrain.errors import RunFolderError, printable
from mlptrain.store import run_folder as names
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

DATABASE = "mlflow.db"
"""Below the output root, where `logger.uri` names no store."""

KEY = "mlflow"
"""In run.json: the store, the run's id in it, and its parent's."""

SWEEP_FILE = "mlflow.json"
"""In a sweep's folder: the store, and the parent run's id in it."""

_ARTIFACTS = (
    names.CONFIG, names.METRICS, names.HISTORY, names.MODEL, names.CLASSIFICATION_REPORT,
    names.CONFUSION_MATRIX, names.CONFUSION_MATRIX_PICTURE, names.LEARNING_CURVES, names.SAMPLES,
    names.LOG,
)  # fmt: skip

_STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_RETRY_SECONDS = 300.0
"""After a failure the store is left alone so long: a dead server costs seconds at each attempt."""
_LOCK_SECONDS = 60.0
_LONGEST_PARAMETER = 6000

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_CONFIGURE_LOGGING": "false",
}
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""MLflow's own would hold up a run for minutes; the user's environment wins."""


class MlflowLogger:
    """One MLflow run; what cannot be sent is kept and tried again, at the latest at the end."""

    def __init__(self, config: Config, record: RunRecord) -> None:
        self._config = config
        self._record = record
        self._folder = record.folder
        self._run_id: str | None = None
        self._rows: dict[int, Mapping[str, Any]] = {}
        self._retry_at = 0.0
        self._told = False
        root = Path(config.output_root).expanduser().resolve()
        above = self._folder.path.parent
        if root not in self._folder.path.parents:  # resumed from another working directory
            root = above
        self._output_root, self._sweep = root, above if above != root else None
        self._uri = config.logger.uri or f"sqlite:///{(root / DATABASE).as_posix()}"

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Make the run, or go on with it: epochs that it lacks are sent again."""
        self._rows = {int(row["epoch"]): row for row in history}
        self._attempt(self._send_rows)

    def log(self, row: Mapping[str, Any]) -> None:
        """The epoch's figures, under the names of history.csv, at the step of the epoch."""
        self._rows[int(row["epoch"])] = row
        self._attempt(self._send_rows)

    def finish(self) -> None:
        """Final figures, files and status."""
        self._retry_at = 0.0
        # Ctrl-C is for a store that hangs: the run has ended already.
        with contextlib.suppress(KeyboardInterrupt):
            self._attempt(self._send_end)

    def _attempt(self, send: Callable[[MlflowClient], None]) -> None:
        if time.monotonic() < self._retry_at:
            return
        try:
            with self._quiet(), self._alone():
                client = _client(self._uri)
                if self._run_id is None:
                    self._open(client)
                send(client)
        except Exception as error:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            if not self._told:
                self._told = True
                reason = printable(str(error).strip().partition("\n")[0])[:300]
                with contextlib.suppress(OSError):
                    self._record.log(
                        f"mlflow: {type(error).__name__}: {reason}; the run goes on, "
                        "and MLflow is tried again until its end"
                    )

    def _open(self, client: MlflowClient) -> None:
        """The run of this folder, or a new one."""
        facts = self._folder.read_json(names.RUN)
        kept = facts.get(KEY) or {}
        if self._config.logger.uri is None and kept.get("uri", self._uri) != self._uri:
            self._uri = str(kept["uri"])  # the folder is resumed from another directory
            client = _client(self._uri)
        run = _active(client, kept, self._uri)
        if run is None:
            experiment = self._experiment(client)
            parent = self._parent(client, experiment)
            started = client.create_run(
                experiment,
                run_name=self._folder.path.name,
                tags=self._tags(facts, parent),
            )
            kept = {"uri": self._uri, "run_id": started.info.run_id, "parent_id": parent}
            self._folder.update_run(**{KEY: kept})
            run = started
        run_id = run.info.run_id
        if not run.data.params:
            from mlflow.entities import Param

            told = _parameters(self._config)
            client.log_batch(run_id, params=[Param(key, value) for key, value in told.items()])
        client.update_run(run_id, status="RUNNING")
        client.set_tag(run_id, "status", "running")
        if parent := kept.get("parent_id"):
            client.update_run(parent, status="RUNNING")
        for point in client.get_metric_history(run_id, "loss"):
            self._rows.pop(point.step, None)
        self._run_id = run_id

    def _experiment(self, client: MlflowClient) -> str:
        name = self._config.logger.experiment or "mlptrain"
        found = client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        location = (self._output_root / "mlartifacts").as_uri()
        served = self._uri.startswith("http")  # such a store has its own place for files
        try:
            return client.create_experiment(name, None if served else location)
        except Exception:
            found = client.get_experiment_by_name(name)  # another process was quicker
            if found is None:
                raise
            return found.experiment_id

    def _parent(self, client: MlflowClient, experiment: str) -> str | None:
        """The run that stands for the whole sweep; the first of its cells makes it."""
        if self._sweep is None:
            return None
        with self._sweep_lock():
            folder = RunFolder(self._sweep)
            kept = _read(folder, SWEEP_FILE)
            if _active(client, kept, self._uri) is None:
                tags = {"sweep": self._sweep.name, "mlflow.source.name": "mlptrain"}
                run = client.create_run(experiment, run_name=self._sweep.name, tags=tags)
                kept = {"uri": self._uri, "run_id": run.info.run_id}
                folder.write_json(SWEEP_FILE, kept)
            return str(kept["run_id"])

    def _tags(self, facts: Mapping[str, Any], parent: str | None) -> dict[str, str]:
        tags = {
            "run_id": facts["run_id"],
            "config_hash": facts["config_hash"],
            "recipe_hash": facts["recipe_hash"],
            "seed": str(facts["seed"]),
            "status": "running",
            "mlflow.source.name": "mlptrain",
            "mlflow.note.content": recipe_line(self._config),
        }
        if self._config.tags:
            tags["tags"] = ", ".join(self._config.tags)
        if commit := (facts.get("git") or {}).get("commit"):
            tags["mlflow.source.git.commit"] = commit
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        return tags

    def _send_rows(self, client: MlflowClient) -> None:
        for epoch in sorted(self._rows):
            figures = {key: value for key, value in self._rows[epoch].items() if key != "epoch"}
            self._send_metrics(client, str(self._run_id), figures, epoch)
            del self._rows[epoch]

    def _send_metrics(
        self, client: MlflowClient, run_id: str, figures: Mapping[str, float | None], step: int
    ) -> None:
        from mlflow.entities import Metric

        now = _milliseconds()
        metrics = [
            Metric(key, float(value), now, step)
            for key, value in figures.items()
            if value is not None
        ]
        client.log_batch(run_id, metrics=metrics)

    def _send_end(self, client: MlflowClient) -> None:
        run_id = str(self._run_id)
        facts = self._folder.read_json(names.RUN)
        status = str(facts["status"])
        self._send_rows(client)
        client.set_tag(run_id, "status", status)
        if facts.get("reason"):
            client.set_tag(run_id, "reason", facts["reason"])
        try:
            if status == "finished":
                final = self._folder.read_json(names.METRICS)
                figures = {f"final/{key}": value for key, value in final.items()}
                self._send_metrics(client, run_id, figures, final["best_epoch"])
            for name in _ARTIFACTS:
                if (file := self._folder.file(name)).is_file():
                    client.log_artifact(run_id, str(file))
        finally:
            client.set_terminated(run_id, _STATUS.get(status, "FAILED"))
        if parent := facts[KEY].get("parent_id"):
            self._end_parent(client, parent)

    def _end_parent(self, client: MlflowClient, parent: str) -> None:
        """When none of its cells is running, a sweep has ended as the worst of them."""
        with self._sweep_lock():
            found = self._folder.path.parent.glob(f"*/{names.RUN}")
            statuses = {_read(RunFolder(file.parent), names.RUN).get("status") for file in found}
            if "running" not in statuses:
                worst = next(s for s in ("failed", "interrupted", "finished") if s in statuses)
                client.set_terminated(parent, _STATUS[worst])

    def _sweep_lock(self) -> FileLock:
        return FileLock(self._folder.path.parent / ".mlflow.lock", timeout=_LOCK_SECONDS)

    def _alone(self) -> AbstractContextManager[Any]:
        """SQLite lets one process write, and MLflow lets two make its tables at once."""
        if not self._uri.startswith("sqlite:///"):
            return nullcontext()
        database = Path(self._uri.removeprefix("sqlite:///"))
        return FileLock(database.with_name(f".{database.name}.lock"), timeout=_LOCK_SECONDS)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """The terminal shows the run, and nothing of the libraries below MLflow."""
        os.environ.update(_ENVIRONMENT)
        for key, value in _PATIENCE.items():
            os.environ.setdefault(key, value)
        for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield


def _client(uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _active(client: MlflowClient, kept: Mapping[str, Any], uri: str) -> Run | None:
    """The run that a file remembers, if the store is the same and still has it."""
    from mlflow.exceptions import MlflowException

    if kept.get("uri") != uri or not isinstance(kept.get("run_id"), str):
        return None
    try:
        run = client.get_run(kept["run_id"])
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run if run.info.lifecycle_stage == "active" else None


def _read(folder: RunFolder, name: str) -> dict[str, Any]:
    try:
        return folder.read_json(name)
    except RunFolderError:  # not there
        return {}


def _parameters(config: Config) -> dict[str, str]:
    """Dotted keys; values as JSON, text without its quotes."""
    return {
        key: (value if isinstance(value, str) else json.dumps(value))[:_LONGEST_PARAMETER]
        for key, value in dotted(config.model_dump()).items()
    }


def _milliseconds() -> int:
    return int(time.time() * 1000)
