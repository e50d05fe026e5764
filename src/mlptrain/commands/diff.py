"""`mlptrain diff RUN RUN…`: what differs between runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlptrain import completion
from mlptrain.commands._options import folders
from mlptrain.errors import RunFolderError, UsageError, printable

if TYPE_CHECKING:
    from mlptrain.store.runs import Run

app = typer.Typer()


@app.command(help="Show what differs between runs: config, data, versions, results.")
def diff(
    paths: Annotated[list[Path], folders("RUN", "Folders of two or more runs.", completion.runs)],
) -> None:
    """Print only what differs: config, data, versions, machine, results; one column per run.

    Two configurations are compared on validation, and two runs image by image on test too, where
    both kept their predictions.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from mlptrain.config.settings import flat
    from mlptrain.reports.comparison import difference_of_two
    from mlptrain.reports.verdict import difference_in_words
    from mlptrain.store.run_folder import RunFolder
    from mlptrain.store.runs import read_run

    if len(paths) < 2:
        raise UsageError(
            "two runs or more",
            "one folder",
            "name a second run; `mlptrain runs` lists them, `mlptrain report` compares a sweep's",
        )
    runs = [read_run(RunFolder.open(path).path) for path in paths]
    parts: dict[str, list[Mapping[str, Any]]] = {
        "config": [run.settings for run in runs],
        "data": [flat(run.facts.data or {}) for run in runs],
        "versions": [run.facts.versions for run in runs],
        "source": [flat(run.facts.git or {}) for run in runs],
        "machine": [flat(run.facts.machine or {}) for run in runs],
        "status": [{"status": run.status, "reason": run.facts.reason} for run in runs],
        "results": [run.metrics for run in runs],
    }
    console = Console(highlight=False)
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("", style="dim", no_wrap=True)
    for run in runs:
        table.add_column(escape(printable(run.path.name)), overflow="fold")
    alike = []
    for part, columns in parts.items():
        rows = list(_differing(columns))
        if not rows:
            alike.append(part)
            continue
        table.add_section()
        table.add_row(f"[bold]{part}[/]")
        for key, values in rows:
            table.add_row(escape(printable(key)), *(escape(printable(v)) for v in values))
    console.print(table)
    if alike:
        console.print(f"the same: {', '.join(alike)}", markup=False)
    if len({run.facts.config_hash for run in runs}) == 1:
        console.print("the same experiment: one config_hash")
    if difference := difference_of_two(runs):
        console.print(f"validation: {difference_in_words(*difference)}.", markup=False)
    if len(runs) == 2:
        console.print(f"image by image: {printable(_image_by_image(*runs))}", markup=False)


def _image_by_image(first: Run, second: Run) -> str:
    from mlptrain.formatting import p_value
    from mlptrain.reports.predictions import image_by_image

    try:
        test = image_by_image(first, second)
    except RunFolderError as error:
        return f"not compared on test: {error.received}"
    return (
        f"of {test.of:,} test images, only the first run has {test.only_first:,} right and only "
        f"the second {test.only_second:,}; {p_value(test.p, 'p')} (McNemar's exact test). "
        "Test is only shown: choose by validation."
    )


def _differing(columns: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    from mlptrain.reports.runs_table import shown

    keys = dict.fromkeys(key for column in columns for key in column)
    return [
        (key, [shown(column.get(key)) if key in column else "-" for column in columns])
        for key in keys
        if len({repr(column.get(key)) for column in columns}) > 1
    ]
