"""The progress of a running sweep, read from its folders, so that it works for every launcher."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

from pydantic import ValidationError

from mlptrain.config.schema import Config
from mlptrain.config.sizes import steps_per_epoch
from mlptrain.errors import RunFolderError
from mlptrain.store import names
from mlptrain.store.reading import read_json
from mlptrain.store.runs import read_history
from mlptrain.sweeps.cells import Cell
from mlptrain.sweeps.estimate import Estimator, Speed, cost_key, makespan, work
from mlptrain.sweeps.ledger import Entry, read_cell


@dataclass(frozen=True)
class Running:
    """A cell that a worker is training.

    Attributes:
        cell: the cell.
        epoch: number of finished epochs.
        val_accuracy: of the last of them, as a fraction.
        epoch_seconds: time of one epoch; None before the second, because the first one compiles.
        other_seconds: time that the first epoch took longer than the others.
    """

    cell: Cell
    epoch: int
    val_accuracy: float | None
    epoch_seconds: float | None
    other_seconds: float = 0.0


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


@dataclass(frozen=True)
class _Reference:
    """The time of a cell of this sweep: of each of its epochs, and beside them."""

    config: Config
    epoch_seconds: float
    other_seconds: float

    def seconds(self, config: Config, share: float) -> float:
        """Return the time of another cell whose epochs cost as much, in proportion to their work.

        Args:
            config: of the other cell.
            share: of its epochs that will be trained, on the average.
        """
        ratio = work(config) / work(self.config) * self.config.train.epochs
        return self.other_seconds + self.epoch_seconds * ratio * share


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
        self._cost = {cell.config_hash: cost_key(cell.config) for cell in cells}
        self._trained = {  # epochs of earlier attempts, which are not trained again
            entry.cell.config_hash: len(read_history(entry.folder))
            for entry in entries
            if entry.status in ("interrupted", "stale")
        }
        self._finished: dict[str, _Reference] = {}
        self._pace: list[float] = []
        self._shares: list[float] = []

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
        """Remember what a finished cell took, and how that compares with its estimate."""
        if entry.status != "done":
            return
        seconds, epochs = entry.seconds, cell.config.train.epochs
        try:
            speed = Speed.model_validate(read_json(entry.folder, names.RUN).get("speed"))
        except (RunFolderError, ValidationError):
            pass  # resumed after its last epoch, or of a version that writes something else
        else:
            steps = steps_per_epoch(cell.config)
            epoch = speed.seconds_per_epoch + speed.seconds_per_step * steps
            reference = _Reference(cell.config, epoch, speed.seconds_per_run)
            self._finished[self._cost[cell.config_hash]] = reference
            self._shares.append(speed.epochs / epochs)
            # Unlike the folder's times, without the imports of a worker's first cell.
            seconds = speed.seconds_per_run + epoch * speed.epochs
        if (expected := self._expected[cell.config_hash]) and seconds:
            self._pace.append(seconds / expected)

    def _seconds_left(self, running: Sequence[Running]) -> float | None:
        share = statistics.fmean(self._shares) if self._shares else 1.0
        measured = [
            _Reference(run.cell.config, run.epoch_seconds, run.other_seconds)
            for run in running
            if run.epoch_seconds is not None
        ]
        references = [*self._finished.values(), *measured]
        running_seconds = [
            self._seconds(run.cell, references, share)
            if run.epoch_seconds is None
            else max(run.cell.config.train.epochs * share - run.epoch, 0) * run.epoch_seconds
            for run in running
        ]
        waiting_seconds = [
            self._seconds(cell, references, share)
            for cell, entry in zip(self._cells, self._entries, strict=True)
            if entry.status in ("not started", "interrupted", "stale")
        ]
        known = [s for s in waiting_seconds if s is not None]
        known_running = [s for s in running_seconds if s is not None]
        if len(known) < len(waiting_seconds) or len(known_running) < len(running_seconds):
            return None
        return makespan(known, self._workers, known_running)

    def _seconds(self, cell: Cell, references: Sequence[_Reference], share: float) -> float | None:
        """Return the time of a cell from its start or resumption to its end."""
        digest, config = cell.config_hash, cell.config
        like_it, expected = self._finished.get(self._cost[digest]), self._expected[digest]
        if like_it is not None:
            seconds = like_it.seconds(config, share)
        elif expected is not None:
            seconds = expected * (statistics.median(self._pace) if self._pace else 1.0)
        elif references:
            nearest = min(references, key=lambda r: abs(log(work(r.config) / work(config))))
            seconds = nearest.seconds(config, share)
        else:
            return None
        return seconds * max(0.0, 1 - self._trained.get(digest, 0) / config.train.epochs)


def _running(cell: Cell, folder: Path) -> Running:
    rows = read_history(folder)
    scores = [row["val_accuracy"] for row in rows if row["val_accuracy"] is not None]
    seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
    each = statistics.fmean(seconds[1:][-5:]) if len(seconds) > 1 else None
    return Running(
        cell=cell,
        epoch=len(rows),
        val_accuracy=scores[-1] if scores else None,
        epoch_seconds=each,
        other_seconds=max(0.0, seconds[0] - each) if each is not None else 0.0,
    )


def _validation(entry: Entry) -> float | None:
    value = entry.metrics.get("val_accuracy")
    return value if isinstance(value, float) else None
