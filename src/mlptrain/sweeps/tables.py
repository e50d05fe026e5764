"""A sweep's cells as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from mlptrain.formatting import duration, known, percent, quantity, shown_path
from mlptrain.sweeps.ledger import Entry

_COLORS = {"done": "green", "running": "cyan", "failed": "red", "not started": "dim"}
_HEADINGS = {"train": "train", "val": "validation", "test": "test"}
_WIDEST = len("interrupted")


def ledger_table(
    entries: Sequence[Entry], seconds: Mapping[str, float | None] | None = None
) -> Table:
    """Return a table with one row per cell: finished cells first, the best of them on top.

    Args:
        entries: the cells.
        seconds: config_hash → estimated time of the cell; None leaves the column out.
    """
    table = Table(box=None, header_style="bold", padding=(0, 1))
    reasons = any(_first_reason(entry) for entry in entries)
    splits = ("train", "val", "test") if any(entry.metrics for entry in entries) else ()
    # rich narrows the columns that may wrap first. A slug is one word, so it is cut off.
    table.add_column("cell", overflow="ellipsis")
    table.add_column("status", no_wrap=True, min_width=_WIDEST)
    for split in splits:
        heading = _HEADINGS[split]
        table.add_column(heading, justify="right", no_wrap=True, min_width=max(6, len(heading)))
    if seconds is not None:
        table.add_column("takes", justify="right", no_wrap=True)
    if reasons:
        table.add_column("reason", overflow="fold")
    for entry in sorted(entries, key=_best_first):
        figures = (entry.metrics.get(f"{split}_accuracy") for split in splits)
        color = _COLORS.get(entry.status, "yellow")
        table.add_row(
            escape(entry.cell.slug),
            f"[{color}]{entry.status}[/]",
            *(percent(figure) if known(figure) else "" for figure in figures),
            *([] if seconds is None else [_takes(entry, seconds)]),
            *([escape(_first_reason(entry))] if reasons else []),
        )
    return table


def _first_reason(entry: Entry) -> str:
    """Return the first line of why a cell is not done; `mlptrain runs` tells of the others."""
    lines = [] if entry.status == "done" else (entry.reason or "").splitlines()
    return lines[0] if lines else ""


def _takes(entry: Entry, seconds: Mapping[str, float | None]) -> str:
    expected = seconds.get(entry.cell.config_hash)
    return "" if expected is None or entry.status == "done" else duration(expected)


def counts(entries: Sequence[Entry]) -> str:
    """Return a line such as `18 cells: 12 done, 1 failed, 5 not started`."""
    number = Counter(entry.status for entry in entries)
    listed = ", ".join(f"{count} {status}" for status, count in number.most_common())
    return f"{quantity(len(entries), 'cell')}: {listed}"


def places(root: Path, entries: Sequence[Entry]) -> str:
    """Return where the runs of a sweep are, which need not be the sweep's folder."""
    folders = dict.fromkeys(e.folder.parent for e in entries if e.status != "not started")
    if not folders or list(folders) == [root]:
        return f"in {shown_path(root)}"
    listed = [shown_path(folder) for folder in folders]
    more = f" and {quantity(len(listed) - 3, 'more folder')}" if len(listed) > 3 else ""
    return f"runs in {', '.join(listed[:3])}{more}; the sweep's folder is {shown_path(root)}"


def _best_first(entry: Entry) -> tuple[bool, float]:
    accuracy = entry.metrics.get("val_accuracy")
    return entry.status != "done", -accuracy if isinstance(accuracy, float) else 0.0
