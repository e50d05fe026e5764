"""`mlptrain runs [PATH…]`: a table of runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlptrain import completion
from mlptrain.errors import UsageError, printable
from mlptrain.formatting import csv_text, markdown_table, percent

if TYPE_CHECKING:
    from mlptrain.reports.table import Record

app = typer.Typer()
FORMATS = ("table", "csv", "json", "markdown")
_LONGEST_NAME = 30


@app.command(help="Print a table of runs: the settings that vary, and the metrics.")
def runs(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Runs, sweeps or output roots (default: outputs).",
            autocompletion=completion.runs_and_sweeps,
        ),
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
        str,
        typer.Option("--columns", metavar="A,B…", help="Columns to show, in this order."),
    ] = "",
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORMAT", help="Output format: table, csv, json or markdown."
        ),
    ] = "table",
) -> None:
    """Print the runs below the paths; folders that cannot be read are listed on stderr.

    Raises:
        RunFolderError: a path holds no run.
        UsageError: an unknown key, condition or format.
    """
    from mlptrain.reports.table import columns, record, select, sort
    from mlptrain.store.run_folder import finite
    from mlptrain.store.runs import find_runs

    if form not in FORMATS:
        raise UsageError(f"--format to be one of {', '.join(FORMATS)}", form, "name one of them")
    run_list = find_runs(paths or [Path("outputs")])
    for folder, reason in run_list.skipped:
        print(f"skipped {printable(folder)}: {printable(reason)}", file=sys.stderr)
    by_path = {str(run.path): run for run in run_list.runs}
    records = select([record(run) for run in run_list.runs], where or [])
    records = sort(records, sort_by)
    requested = [key.strip() for key in chosen_columns.split(",") if key.strip()]
    chosen = columns(records, [by_path[r["path"]] for r in records], requested) if records else []
    match form:
        case "json":
            rows = [{key: r.get(key) for key in chosen or r} for r in records]
            print(json.dumps(finite(rows), indent=2))
        case "csv":
            print(csv_text([chosen, *([r.get(key) for key in chosen] for r in records)]), end="")
        case "markdown":
            print(_markdown(records, chosen) if records else "", end="\n" if records else "")
        case _:
            _table(records, chosen, fixed=bool(requested))


def _markdown(records: Sequence[Record], chosen: Sequence[str]) -> str:
    from mlptrain.reports.table import shown

    rows = [[printable(shown(r.get(key))) for key in chosen] for r in records]
    return "\n".join(markdown_table([printable(key) for key in chosen], rows))


def _table(records: Sequence[Record], chosen: Sequence[str], fixed: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    fitting = list(chosen) if fixed else _fitting(records, chosen, console.width)
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for key in fitting:
        numbers = all(isinstance(r.get(key), int | float | None) for r in records)
        table.add_column(
            escape(printable(_heading(key, chosen))),
            justify="right" if numbers else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=_LONGEST_NAME if key == "run" else None,
        )
    for r in records:
        table.add_row(*(escape(_cell(key, r.get(key))) for key in fitting))
    console.print(table)
    footer = f"{len(records)} run{'s' * (len(records) != 1)}"
    if hidden := [key for key in chosen if key not in fitting]:
        footer += f"; no room for {', '.join(hidden)} (--columns chooses)"
    console.print(printable(footer), markup=False, soft_wrap=True)


def _heading(key: str, keys: Sequence[str]) -> str:
    """Return the last part of a key if no other key ends with it; accuracies are in percent."""
    if key.endswith("_accuracy"):
        return f"{key.removesuffix('_accuracy')} %"
    last = key.rpartition(".")[2]
    return last if [k.rpartition(".")[2] for k in keys].count(last) == 1 else key


def _cell(key: str, value: object) -> str:
    from mlptrain.reports.table import shown

    if key.endswith("_accuracy") and isinstance(value, int | float):
        return percent(value, 2, unit="")
    return printable(shown(value))


def _fitting(records: Sequence[Record], chosen: Sequence[str], width: int) -> list[str]:
    """Return the columns that there is room for; name and accuracies are the last to go."""
    from mlptrain.reports.table import METRICS

    widths = {
        key: 2 + max([len(_heading(key, chosen)), *(len(_cell(key, r.get(key))) for r in records)])
        for key in chosen
    }
    if "run" in widths:
        widths["run"] = min(widths["run"], _LONGEST_NAME + 2)
    fitting = list(chosen)
    settings = [key for key in chosen if key not in (*METRICS, "run")]
    for key in (*reversed(METRICS[3:]), *reversed(settings), *reversed(METRICS[1:3])):
        if sum(widths[k] for k in fitting) <= width:
            break
        if key in fitting:
            fitting.remove(key)
    return fitting
