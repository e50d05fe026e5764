"""The state of each cell, read from the run folders alone, so that no database can fall behind."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from mlptrain.errors import ConfigError, DataError, RunFolderError
from mlptrain.store import names
from mlptrain.store.heartbeat import alive
from mlptrain.store.reading import find_run_folders, read_json
from mlptrain.store.sweep_file import CellName

Status = Literal["done", "running", "failed", "interrupted", "stale", "not started"]


@dataclass(frozen=True)
class Entry:
    """A cell and the state of its run folder.

    Attributes:
        cell: the cell.
        status: `done`; `running` (its heartbeat is fresh); `failed`; `interrupted`; `stale` (it is
            marked as running, but its process is gone); `not started` (it has no folder yet).
        reason: why the run failed or was interrupted.
        folder: the run's folder, or where it will be; below another sweep if it was trained there.
        metrics: content of `metrics.json` if the cell is done.
        seconds: time from the start of the run to its end; None if it has not ended or was
            resumed, because the pause between is not training time.
    """

    cell: CellName
    status: Status
    reason: str | None
    folder: Path
    metrics: dict[str, Any]
    seconds: float | None = None


def read_ledger(root: Path, output_root: Path, cells: Sequence[CellName]) -> list[Entry]:
    """Return the state of every cell, in the order of the cells.

    Args:
        root: the sweep's folder.
        output_root: finished runs up to two levels below it count as done.
        cells: the cells of the sweep.
    """
    finished: dict[str, Path] | None = None
    entries = []
    for cell in cells:
        entry = read_cell(cell, root / cell.folder_name)
        if entry.status != "done":
            if finished is None:
                finished = finished_runs(output_root)
            if (elsewhere := finished.get(cell.config_hash)) is not None:
                entry = read_cell(cell, elsewhere)
        entries.append(entry)
    return entries


def finished_runs(output_root: Path) -> dict[str, Path]:
    """Return config_hash → folder of every finished run below the output root."""
    folders: dict[str, Path] = {}
    for folder in find_run_folders(output_root):
        facts = _json(folder, names.RUN)
        if facts.get("status") == "finished" and isinstance(facts.get("config_hash"), str):
            folders.setdefault(facts["config_hash"], folder)
    return folders


def unrequested_runs(root: Path, cells: Iterable[CellName]) -> list[Path]:
    """Return the run folders in the sweep's folder that belong to none of the cells."""
    cells = list(cells)
    hashes = {cell.config_hash for cell in cells}
    folders = {cell.folder_name for cell in cells}
    runs = (path.parent for path in root.glob(f"*/{names.RUN}"))
    return sorted(
        run
        for run in runs
        if run.name not in folders
        and not run.is_symlink()
        and str(_json(run, names.RUN).get("config_hash")) not in hashes
    )


def left_to_train(entries: Iterable[Entry], retry_failed: bool) -> list[Entry]:
    """Return the cells that a sweep would train now; failed ones only with `retry_failed`."""
    trainable = {"not started", "interrupted", "stale", *(["failed"] if retry_failed else [])}
    return [entry for entry in entries if entry.status in trainable]


def await_silence(entries: Iterable[Entry]) -> None:
    """Wait until each cell that seems to be in training shows that it is, or turns out to be lost.

    A process of another machine cannot be looked for; only its silence tells that it is gone.
    """
    beats = {e.folder: _json(e.folder, names.HEARTBEAT) for e in entries if e.status == "running"}
    while beats:
        time.sleep(1)
        beats = {
            folder: beat
            for folder, beat in beats.items()
            if _json(folder, names.HEARTBEAT) == beat and alive(beat)
        }


def how_to_retry(entries: Iterable[Entry]) -> str | None:
    """Return how failed cells are tried again; None if none has failed."""
    reasons = [entry.reason or "" for entry in entries if entry.status == "failed"]
    if not reasons:
        return None
    text = "failed cells are tried again with sweep.retry_failed=true"
    if any(reason.startswith((DataError.title, ConfigError.title)) for reason in reasons):
        text += ", but not after a change of the images: they make new cells"
    return text


def read_cell(cell: CellName, folder: Path) -> Entry:
    """Return the state of one cell, read from its folder."""
    facts = _json(folder, names.RUN)
    metrics: dict[str, Any] = {}
    status: Status = "not started"
    match facts.get("status"):
        case "finished":
            status, metrics = "done", _json(folder, names.METRICS)
        case "failed":
            status = "failed"
        case "interrupted":
            status = "interrupted"
        case "running":
            status = "running" if is_alive(folder) else "stale"
    reason = facts.get("reason")
    seconds = None
    if not facts.get("resumed"):
        seconds = _seconds_between(facts.get("started"), facts.get("finished"))
    return Entry(
        cell, status, reason if isinstance(reason, str) else None, folder, metrics, seconds
    )


def is_alive(folder: Path) -> bool:
    """Return whether the process that writes the run is still there."""
    return alive(_json(folder, names.HEARTBEAT))


def _seconds_between(started: object, finished: object) -> float | None:
    try:
        first, last = (datetime.fromisoformat(str(time)) for time in (started, finished))
        return (last.astimezone(UTC) - first.astimezone(UTC)).total_seconds()
    except ValueError:
        return None


def _json(folder: Path, name: str) -> dict[str, Any]:
    """Return the content of a JSON file, empty if it cannot be read."""
    try:
        return read_json(folder, name)
    except RunFolderError:
        return {}
