"""The comparison that ends a sweep: one row per configuration, mean and SD over its seeds."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rich.markup import escape
from rich.table import Table

from mlptrain.config.settings import common_settings, label, varying
from mlptrain.formatting import csv_text, markdown_table, percent
from mlptrain.store import names
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.runs import SPLITS, Run, by_recipe


@dataclass(frozen=True)
class Figure:
    """Accuracy over the seeds of one configuration, as fractions; `sd` needs two seeds."""

    mean: float
    sd: float | None

    def percent(self) -> str:
        """Return a text such as `57.8 ± 0.4`."""
        spread = "" if self.sd is None else f" ± {percent(self.sd, unit='')}"
        return percent(self.mean, unit="") + spread


@dataclass(frozen=True)
class Row:
    """One configuration: the settings that vary, the number of seeds, and accuracies by split."""

    settings: dict[str, str]
    n: int
    figures: dict[str, Figure | None]


def summarize(runs: Iterable[Run]) -> list[Row]:
    """Average finished runs over their seeds.

    Returns:
        Rows sorted by mean validation accuracy, best first; test is shown, never used to sort.
        The SD is the sample's (n - 1).
    """
    groups = by_recipe(runs)
    table = [group[0].recipe for group in groups]
    columns = varying(table)
    rows = [
        Row(
            settings={key: str(settings.get(key, "")) for key in columns},
            n=len(group),
            figures={split: _figure(group, key) for split, key in SPLITS.items()},
        )
        for settings, group in zip(table, groups, strict=True)
    ]
    return sorted(rows, key=_by_validation)


def write_summary(folder: RunFolder, rows: Sequence[Row]) -> None:
    """Write `summary.csv` (fractions; the SD in separate columns) and `summary.md` (percent)."""
    columns = list(rows[0].settings) if rows else []
    lines: list[list[Any]] = [
        [*columns, "n", *(f"{split}_{part}" for split in SPLITS for part in ("mean", "sd"))]
    ]
    for row in rows:
        pairs = ((f.mean, f.sd) if f else (None, None) for f in row.figures.values())
        lines.append([*row.settings.values(), row.n, *chain.from_iterable(pairs)])
    folder.write_text(names.SUMMARY, csv_text(lines))
    heads = [*columns, "n", *(f"{split}, %" for split in SPLITS)]
    table = markdown_table(heads, map(_cells, rows))
    folder.write_text(names.SUMMARY_TABLE, "\n".join(table) + "\n")


def summary_table(rows: Sequence[Row], width: int) -> Table:
    """Return the rows as a table for a terminal that is `width` columns wide.

    If the settings do not fit side by side, each row is labeled with its unusual settings.
    """
    keys = list(rows[0].settings) if rows else []
    lines = [[*keys, "n", *(f"{split}, %" for split in SPLITS)], *map(_cells, rows)]
    table = Table(box=None, header_style="bold", padding=(0, 1))
    if sum(2 + max(map(len, column)) for column in zip(*lines, strict=True)) <= width:
        row_labels = [list(row.settings.values()) for row in rows]
        for key in keys:
            table.add_column(escape(key))
    else:
        common = common_settings([row.settings for row in rows], keys)
        row_labels = [[label(row.settings, common)] for row in rows]
        table.add_column("configuration", overflow="fold")
        if common:
            table.caption = escape("usual: " + label(common, {}))
            table.caption_justify = "left"
    for heading in lines[0][len(keys) :]:
        table.add_column(heading, justify="right", no_wrap=True)
    for texts, row in zip(row_labels, rows, strict=True):
        table.add_row(*map(escape, [*texts, str(row.n), *_figures(row)]))
    return table


def _cells(row: Row) -> list[str]:
    return [*row.settings.values(), str(row.n), *_figures(row)]


def _figures(row: Row) -> list[str]:
    return [figure.percent() if figure else "" for figure in row.figures.values()]


def _figure(group: Sequence[Run], key: str) -> Figure | None:
    values = [run.metrics[key] for run in group if key in run.metrics]
    return figure_of(values) if values else None


def figure_of(values: Sequence[float]) -> Figure:
    """Return mean and sample SD of one configuration's accuracies."""
    return Figure(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def _by_validation(row: Row) -> float:
    figure = row.figures["validation"]
    return -figure.mean if figure else 0.0
