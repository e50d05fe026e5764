"""The progress of a running sweep, read from its folders, so that it works for every launcher."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlptrain.store.runs import read_history
from mlptrain.sweeps.cells import Cell
from mlptrain.sweeps.estimate import Estimator, makespan
from mlptrain.sweeps.ledger import Entry, read_cell


@dataclass(frozen=True)
class Running:
    """A cell that a worker is training: its finished epochs, and accuracies as fractions."""

    cell: Cell
    epoch: int
    val_accuracy: float | None
    epoch_seconds: float | None


@dataclass(frozen=True)
class Progress:
    """The state of a sweep at one moment.

    Attributes:
        entries: the state of every cell.
        running: the cells that are being trained, in the order of the cells.
        news: the cells that ended since the last look.
        best: the finished cell with the highest validation accuracy.
        seconds_left: estimated time to the end; None until there is something to estimate from.
    """

    entries: Sequence[Entry]
    running: Sequence[Running]
    news: Sequence[Entry]
    best: Entry | None
    seconds_left: float | None


class Watch:
    """Reads a sweep's folders again and again, but only those that can have changed.

    Args:
        root: the sweep's folder.
        cells: the cells of the sweep.
        entries: the state of every cell before the workers were started.
        estimator: estimates the time of a cell.
        workers: number of cells that train at the same time.
    """

    def __init__(
        self,
        root: Path,
        cells: Sequence[Cell],
        entries: Sequence[Entry],
        estimator: Estimator,
        workers: int,
    ) -> None:
        self._root, self._cells, self._workers = root, cells, workers
        self._entries = list(entries)
        # Estimated once: doing so at every look would take a core away from the workers.
        self._expected = {cell.config_hash: estimator.seconds(cell.config) for cell in cells}
        self._pace: list[float] = []

    def look(self) -> Progress:
        """Return the current state of the sweep."""
        news = []
        for index, cell in enumerate(self._cells):
            before = self._entries[index]
            if before.status == "done":
                continue
            entry = read_cell(cell, self._root / cell.folder_name)
            self._entries[index] = entry
            if entry.status in ("done", "failed") and entry.status != before.status:
                news.append(entry)
                self._learn(cell, entry)
        running = [
            _running(cell, entry.folder)
            for cell, entry in zip(self._cells, self._entries, strict=True)
            if entry.status == "running"
        ]
        done = [e for e in self._entries if e.status == "done" and _validation(e) is not None]
        best = max(done, key=lambda entry: _validation(entry) or 0.0, default=None)
        return Progress(list(self._entries), running, news, best, self._seconds_left(running))

    def _learn(self, cell: Cell, entry: Entry) -> None:
        """Remember how the cell's time compares with its estimate."""
        expected = self._expected[cell.config_hash]
        if entry.status == "done" and expected and entry.seconds:
            self._pace.append(entry.seconds / expected)

    def _seconds_left(self, running: Sequence[Running]) -> float | None:
        pace = statistics.median(self._pace) if self._pace else 1.0
        running_seconds = []
        for run in running:
            epochs_left = run.cell.config.train.epochs - run.epoch
            expected = self._expected[run.cell.config_hash]
            if run.epoch_seconds is not None:
                running_seconds.append(epochs_left * run.epoch_seconds)
            elif expected is not None:
                running_seconds.append(expected * pace)
        if len(running_seconds) < len(running):  # no measurement yet: assume the time of the others
            if not running_seconds:
                return None
            running_seconds += [statistics.fmean(running_seconds)] * (
                len(running) - len(running_seconds)
            )
        waiting = [
            self._expected[cell.config_hash]
            for cell, entry in zip(self._cells, self._entries, strict=True)
            if entry.status in ("not started", "interrupted", "stale")
        ]
        known = [pace * seconds for seconds in waiting if seconds is not None]
        if len(known) < len(waiting):  # no estimate: assume the time of the running ones
            if not running_seconds:
                return None
            known = [statistics.fmean(running_seconds)] * len(waiting)
        return makespan(known, self._workers, running_seconds)


def _running(cell: Cell, folder: Path) -> Running:
    rows = read_history(folder)
    scores = [row["val_accuracy"] for row in rows if row["val_accuracy"] is not None]
    # The first epoch includes compilation, so later ones say more.
    recent = [row["seconds"] for row in rows[1:] if row["seconds"] is not None][-5:]
    return Running(
        cell=cell,
        epoch=len(rows),
        val_accuracy=scores[-1] if scores else None,
        epoch_seconds=statistics.fmean(recent) if recent else None,
    )


def _validation(entry: Entry) -> float | None:
    value = entry.metrics.get("val_accuracy")
    return value if isinstance(value, float) else None
