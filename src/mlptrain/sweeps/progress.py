"""Where a running sweep stands, from its folders alone: it works for every launcher."""

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
    """A cell that a worker trains: its epochs so far, and accuracies as fractions."""

    cell: Cell
    epoch: int
    val_accuracy: float | None
    epoch_seconds: float | None


@dataclass(frozen=True)
class Progress:
    """A moment of a sweep.

    Attributes:
        entries: every cell.
        running: those in work, in the order of the cells.
        news: cells that ended since the moment before, this run of the command only.
        best: the done cell with the highest validation accuracy.
        seconds_left: from measured speed; None until something was measured.
    """

    entries: Sequence[Entry]
    running: Sequence[Running]
    news: Sequence[Entry]
    best: Entry | None
    seconds_left: float | None


class Watch:
    """Looks at a sweep's folders again and again; reads only what can have changed.

    Args:
        root: the sweep's folder.
        cells: what is asked for.
        entries: the ledger before the sweep's workers were started.
        estimator: predicts cells.
        workers: how many train at once.
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
        # Once: asked for every waiting cell at every look, it would cost the workers a core.
        self._expected = {cell.config_hash: estimator.seconds(cell.config) for cell in cells}
        self._pace: list[float] = []

    def look(self) -> Progress:
        """The sweep as it stands now."""
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
        """How much longer or shorter than predicted cells take today."""
        expected = self._expected[cell.config_hash]
        if entry.status == "done" and expected and entry.seconds:
            self._pace.append(entry.seconds / expected)

    def _seconds_left(self, running: Sequence[Running]) -> float | None:
        pace = statistics.median(self._pace) if self._pace else 1.0
        in_work = []
        for run in running:
            left = run.cell.config.train.epochs - run.epoch
            expected = self._expected[run.cell.config_hash]
            if run.epoch_seconds is not None:
                in_work.append(left * run.epoch_seconds)
            elif expected is not None:
                in_work.append(expected * pace)
        if len(in_work) < len(running):  # not measured yet: as long as the others in work
            if not in_work:
                return None
            in_work += [statistics.fmean(in_work)] * (len(running) - len(in_work))
        waiting = [
            self._expected[cell.config_hash]
            for cell, entry in zip(self._cells, self._entries, strict=True)
            if entry.status in ("missing", "interrupted", "stale")
        ]
        known = [pace * seconds for seconds in waiting if seconds is not None]
        if len(known) < len(waiting):  # never measured: as long as the ones in work
            if not in_work:
                return None
            known = [statistics.fmean(in_work)] * len(waiting)
        return makespan(known, self._workers, in_work)


def _running(cell: Cell, folder: Path) -> Running:
    rows = read_history(folder)
    scores = [row["val_accuracy"] for row in rows if row["val_accuracy"] is not None]
    # The first epoch holds the compilation; later ones tell more.
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
