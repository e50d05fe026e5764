"""What became of each cell, from the run folders alone: no database can fall behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from mlptrain.errors import RunFolderError
from mlptrain.store import names
from mlptrain.store.heartbeat import alive
from mlptrain.store.reading import find_run_folders, read_json
from mlptrain.store.sweep_file import CellName

Status = Literal["done", "running", "failed", "interrupted", "stale", "missing"]


@dataclass(frozen=True)
class Entry:
    """A cell and what its folder says.

    Attributes:
        cell: the cell.
        status: `done`; `running` (heartbeat fresh); `failed`; `interrupted`; `stale` (it says
            running, but its process is gone); `missing` (no folder yet).
        reason: of a failure or an interruption.
        folder: where it is, or would be; below another sweep when it was trained there.
        metrics: `metrics.json`, when done.
        seconds: from its start to its end, if it has ended; None of one that was resumed, whose
            pause is not time it took.
    """

    cell: CellName
    status: Status
    reason: str | None
    folder: Path
    metrics: dict[str, Any]
    seconds: float | None = None


def read_ledger(root: Path, output_root: Path, cells: Sequence[CellName]) -> list[Entry]:
    """The state of every cell, in the order of the cells.

    Args:
        root: the sweep's folder.
        output_root: finished runs anywhere up to two levels below it count as done.
        cells: what is asked for.
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


def unasked(root: Path, cells: Iterable[CellName]) -> list[Path]:
    """Run folders in the sweep's folder that no cell asks for any more, by name or by identity."""
    asked = {cell.config_hash: cell.folder_name for cell in cells}
    runs = (path.parent for path in root.glob(f"*/{names.RUN}"))
    return sorted(
        run
        for run in runs
        if run.name not in asked.values()
        and not run.is_symlink()
        and str(_json(run, names.RUN).get("config_hash")) not in asked
    )


def left_to_train(entries: Iterable[Entry], retry_failed: bool) -> list[Entry]:
    """Those that a sweep would train now; failed ones only where that is asked for."""
    wanted = {"missing", "interrupted", "stale", *(["failed"] if retry_failed else [])}
    return [entry for entry in entries if entry.status in wanted]


def read_cell(cell: CellName, folder: Path) -> Entry:
    """The state of one cell, as the folder tells it."""
    facts = _json(folder, names.RUN)
    metrics: dict[str, Any] = {}
    status: Status = "missing"
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
    """Whether the process that writes a run is still there."""
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
