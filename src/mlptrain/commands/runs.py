"""`mlptrain runs [PATH…]`: a table of runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlptrain.commands._options import folders, form_among
from mlptrain.errors import printable
from mlptrain.formatting import (
    column_lines,
    csv_text,
    markdown_table,
    percent,
    quantity,
    resume_command,
    shortened,
)

if TYPE_CHECKING:
    from mlptrain.reports.runs_table import Record

app = typer.Typer()
_NAME_WIDTH = 40
"""Of a run, at least: a sweep's cell with a longer name is cut before figures are left out."""
_ANY_WIDTH = 10_000
"""Of a table that goes into a file or a pipe."""


@app.command(help="Print a table of runs: the settings that vary, and the metrics.")
def runs(
    paths: Annotated[
        list[Path] | None, folders("PATH", "Runs, sweeps or output roots (default: outputs).")
    ] = None,
    sort_by: Annotated[
        str | None,
        typer.Option(
            "--sort", metavar="KEY", help="Sort by KEY, best first; -KEY reverses the order."
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Keep runs that match. Operators: = != < > <= >=."),
    ] = None,
    chosen_columns: Annotated[
        str, typer.Option("--columns", metavar="A,B…", help="Columns to show, in this order.")
    ] = "",
    last: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the N runs that were started last.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Print at most N runs, after sorting.")
    ] = None,
    form: Annotated[str, form_among("table", "csv", "json", "markdown")] = "table",
) -> None:
    """Print the runs below the paths; folders that cannot be read are listed on stderr."""
    from mlptrain.reports.runs_table import columns, newest, record, select, shown, sort
    from mlptrain.store.run_folder import finite
    from mlptrain.store.runs import find_runs

    run_list = find_runs(paths or [Path("outputs")])
    for folder, reason in run_list.skipped:
        print(f"skipped {printable(folder)}: {printable(reason)}", file=sys.stderr)
    by_path = {str(run.path): run for run in run_list.runs}
    records = select([record(run) for run in run_list.runs], where or [])
    records = sort(newest(records, last) if last else records, sort_by)
    matching = len(records)
    records = records[:limit]
    requested = [key.strip() for key in chosen_columns.split(",") if key.strip()]
    chosen = columns(records, [by_path[r["path"]] for r in records], requested) if records else []
    match form:
        case "json":
            rows = [{key: r.get(key) for key in chosen or r} for r in records]
            print(json.dumps(finite(rows), indent=2))
        case "csv":
            print(csv_text([chosen, *([r.get(key) for key in chosen] for r in records)]), end="")
        case "markdown":
            heads = [printable(key) for key in chosen]
            cells = [[printable(shown(r.get(key))) for key in chosen] for r in records]
            for row in markdown_table(heads, cells) if records else ():
                print(row)
        case _:
            _table(records, chosen, is_requested=bool(requested), matching=matching)


def _table(
    records: Sequence[Record], chosen: Sequence[str], *, is_requested: bool, matching: int
) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _ANY_WIDTH
    rows = [{key: _cell(key, r.get(key)) for key in chosen} for r in records]
    widths = _widths(rows, chosen, console.width)
    fitting = list(chosen) if is_requested else _fitting(chosen, widths, console.width)
    for number, keys in enumerate(_parts(fitting, widths, console.width) if fitting else []):
        if number:
            console.print()
        numeric = [all(isinstance(r.get(k), int | float | None) for r in records) for k in keys]
        columns = [widths[key] - 2 for key in keys]
        excess = sum(widths[key] for key in keys) - console.width
        columns[-1] = max(1, columns[-1] - max(0, excess))
        headings = [printable(_heading(key, chosen)) for key in keys]
        heading = "\n".join(column_lines(headings, columns, numeric))
        console.print(Text(heading, "bold"), soft_wrap=True)
        for row in rows:
            cells = [row[key] for key in keys]
            if "run" in keys:
                place = keys.index("run")
                cells[place] = shortened(cells[place], columns[place])
            print(*column_lines(cells, columns, numeric), sep="\n")
    footer = quantity(len(records), "run")
    if matching > len(records):
        footer += f" of {matching}"
    if hidden := [key for key in chosen if key not in fitting]:
        footer += f"; no room for {', '.join(hidden)} (--columns chooses)"
    console.print(printable(footer), markup=False, soft_wrap=True)
    resumable = [r for r in records if r["status"] in ("interrupted", "stale")]
    if resumable:
        last = max(resumable, key=lambda r: str(r["started"] or ""))
        command = resume_command(Path(last["path"]))
        console.print(
            f"to resume the last interrupted run: {command}", markup=False, soft_wrap=True
        )


def _parts(keys: Sequence[str], widths: Mapping[str, int], width: int) -> list[list[str]]:
    """Return the columns of tables below each other, each with the first column, that fit."""
    parts = [list(keys[:1])]
    for key in keys[1:]:
        if sum(widths[k] for k in parts[-1]) + widths[key] > width and len(parts[-1]) > 1:
            parts.append(list(keys[:1]))
        parts[-1].append(key)
    return parts


def _heading(key: str, keys: Sequence[str]) -> str:
    """Return the last part of a key if no other key ends with it; accuracies are in percent."""
    if key.endswith("_accuracy"):
        return f"{key.removesuffix('_accuracy')} %"
    last = key.rpartition(".")[2]
    if key.startswith("data.") and last in ("train", "validation", "test"):
        return f"{last} images"
    return last if [k.rpartition(".")[2] for k in keys].count(last) == 1 else key


def _cell(key: str, value: object) -> str:
    from mlptrain.reports.runs_table import shown

    if key.endswith("_accuracy") and isinstance(value, int | float):
        return percent(value, 2, unit="")
    return printable(shown(value))


def _widths(rows: Sequence[Mapping[str, str]], chosen: Sequence[str], width: int) -> dict[str, int]:
    """Return the width of each column with its margins; only the longest names are cut."""
    from rich.cells import cell_len

    widths = {
        key: 2 + max(map(cell_len, [_heading(key, chosen), *{row[key] for row in rows}]))
        for key in chosen
    }
    if "run" in widths:
        others = sum(value for key, value in widths.items() if key != "run")
        widths["run"] = min(widths["run"], max(_NAME_WIDTH, width - others))
    return {key: min(value, width) for key, value in widths.items()}


def _fitting(chosen: Sequence[str], widths: Mapping[str, int], width: int) -> list[str]:
    """Return the columns that there is room for; name and accuracies are the last to go."""
    from mlptrain.reports.runs_table import METRICS

    fitting = list(chosen)
    settings = [key for key in chosen if key not in (*METRICS, "run", "status", "progress")]
    order = (*reversed(METRICS[3:]), *reversed(settings), *reversed(METRICS[1:3]), "progress")
    for key in (*order, "status"):
        if sum(widths[k] for k in fitting) <= width:
            break
        if key in fitting:
            fitting.remove(key)
    return fitting
