"""A sweep's cells as tables for the terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.text import Text

from mlptrain.formatting import (
    column_lines,
    duration,
    known,
    percent,
    quantity,
    shortened,
    shown_path,
)
from mlptrain.sweeps.ledger import Entry

_COLORS = {"done": "green", "running": "cyan", "failed": "red", "not started": "dim"}
_HEADINGS = {"train": "train", "val": "validation", "test": "test"}
_NARROWEST = 20
"""Width to which a column of reasons is wrapped before names of cells are cut."""


def ledger_table(
    entries: Sequence[Entry], width: int, seconds: Mapping[str, float | None] | None = None
) -> Text:
    """Return a table with one row per cell: finished cells first, the best of them on top.

    Args:
        entries: the cells.
        width: of the terminal; names are cut and reasons wrapped to fit it.
        seconds: config_hash → estimated time of the cell; None leaves the column out.
    """
    entries = sorted(entries, key=_best_first)
    splits = ("train", "val", "test") if any(entry.metrics for entry in entries) else ()
    columns = [
        ["cell", *(entry.cell.slug for entry in entries)],
        ["status", *(entry.status for entry in entries)],
    ]
    for split in splits:
        figures = (entry.metrics.get(f"{split}_accuracy") for entry in entries)
        shown = (percent(figure) if known(figure) else "" for figure in figures)
        columns.append([_HEADINGS[split], *shown])
    if seconds is not None:
        columns.append(["takes", *(_takes(entry, seconds) for entry in entries)])
    right = [False, False, *[True] * (len(columns) - 2)]
    if any(reasons := [_first_reason(entry) for entry in entries]):
        columns.append(["reason", *reasons])
        right.append(False)
    widths = [max(map(cell_len, column)) for column in columns]
    excess = sum(widths) + 2 * len(widths) - width
    if any(reasons):
        widths[-1] -= max(0, min(excess, widths[-1] - _NARROWEST))
        excess = sum(widths) + 2 * len(widths) - width
    widths[0] -= max(0, min(excess, widths[0] - len("cell")))
    table = Text()
    styles = ["bold", *(_COLORS.get(entry.status, "yellow") for entry in entries)]
    for number, (name, *others) in enumerate(zip(*columns, strict=True)):
        lines = "\n".join(column_lines([shortened(name, widths[0]), *others], widths, right))
        start, end = (0, len(lines)) if number == 0 else (widths[0] + 3, widths[0] + 3 + widths[1])
        table.append(lines[:start]).append(lines[start:end], styles[number]).append(lines[end:])
        table.append("\n")
    table.rstrip()
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
