"""`mlptrain evaluate RUN…`: score saved models on any images; several runs vote together."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlptrain.commands._options import DataPath, folders, form_among
from mlptrain.crash import reported_crashes
from mlptrain.errors import RunFolderError, UsageError, printable

if TYPE_CHECKING:
    from rich.table import Table

    from mlptrain.reports.calibration import Scores

app = typer.Typer()

_TOGETHER = "all together"


@app.command(
    help="Score saved models on labeled images; the predictions of several runs are averaged too."
)
@reported_crashes()
def evaluate(
    paths: Annotated[list[Path], folders("RUN", "Folders of the runs.")],
    source: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="SOURCE",
            help="Images to score: train, validation or test of the run's own data; a folder with "
            "one folder per class; an .npz file; or A.npy,B.npy.",
        ),
    ] = "test",
    form: Annotated[str, form_among("table", "json")] = "table",
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw the reliability diagram to this file."),
    ] = None,
    best: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Score only the K runs with the best validation accuracy below RUN, such as "
            "a sweep.",
        ),
    ] = None,
    data_path: DataPath = None,
) -> None:
    """Print the scores of each run, and of the mean of their predictions if there are several."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from mlptrain.formatting import percent, quantity
    from mlptrain.reports.calibration import score

    if best is not None:
        paths = _best(paths, best)
    from mlptrain.model.inference import Models

    models = Models(paths, say=lambda text: print(text, file=sys.stderr))
    images, labels = models.images(source, data_path)
    probabilities = [models.probabilities(number, images) for number in range(len(paths))]
    scores = {str(path): score(p, labels) for path, p in zip(paths, probabilities, strict=True)}
    if len(paths) > 1:
        together = np.mean(probabilities, axis=0)
        single = max(scores.values(), key=lambda s: s.accuracy)
        scores[_TOGETHER] = score(together, labels)
        gain = scores[_TOGETHER].accuracy - single.accuracy
    if plot is not None:
        from mlptrain.figures.artifacts import write_picture
        from mlptrain.figures.reliability import reliability_figure

        name, last = list(scores.items())[-1]
        figure = reliability_figure(last.bins, last.calibration_error, f"{name} on {source}")
        write_picture(plot, figure)
    if form == "json":
        content: dict[str, Any] = {
            "data": source,
            "images": len(labels),
            "runs": {name: s.record() for name, s in scores.items()},
        }
        print(json.dumps(content, indent=2))
        return
    console = Console(highlight=False)
    console.print(f"{quantity(len(labels), 'image')}: {printable(source)}", markup=False)
    # Paths stand above the table, which they would leave no room at 80 columns.
    numbers = {name: str(n) for n, name in enumerate(scores, start=1) if name != _TOGETHER}
    for name, number in numbers.items():
        console.print(f"run {number}: {printable(name)}", markup=False, soft_wrap=True)
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("run", no_wrap=True)
    for heading in ("accuracy", "interval", "cross-entropy", "macro F1", "ECE"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, s in scores.items():
        table.add_row(
            numbers.get(name, name), percent(s.accuracy),
            f"{percent(s.accuracy_low, unit='')} to {percent(s.accuracy_high, unit='')}",
            f"{s.loss:.4f}", f"{s.macro_f1:.4f}", percent(s.calibration_error),
        )  # fmt: skip
    console.print(table)
    if len(paths) > 1:
        console.print(f"together {100 * gain:+.1f} points against the best single run here")
    else:
        console.print(_classes(next(iter(scores.values())), models.class_names))
    console.print(
        "interval: 95 %, for this model on other images of the same kind; "
        "ECE: expected calibration error",
        style="dim",
    )
    if any(c.regularization.l1 or c.regularization.l2 for c in models.configs):
        console.print(
            "cross-entropy is without the L1/L2 penalty, which the losses in metrics.json contain",
            style="dim",
        )
    if any(config.augmentation.test_flip for config in models.configs):
        console.print("runs with test_flip average each image and its mirror", style="dim")


def _best(paths: Sequence[Path], number: int) -> list[Path]:
    """Return the finished runs below the paths with the best validation accuracy, best first."""
    from mlptrain.formatting import shown_path
    from mlptrain.store.runs import find_runs

    if number < 1:
        raise UsageError("--best to be at least 1", f"--best {number}", "write --best 5, say")
    runs = [
        run
        for run in find_runs(paths).runs
        if run.facts.status == "finished" and "val_accuracy" in run.metrics
    ]
    if not runs:
        raise RunFolderError(
            "a finished run with a validation accuracy",
            f"no such run below {', '.join(str(path) for path in paths)}",
            "`mlptrain runs` lists the runs that there are, with their status",
        )
    runs.sort(key=lambda run: -run.metrics["val_accuracy"])
    return [Path(shown_path(run.path)) for run in runs[:number]]


def _classes(scores: Scores, names: Sequence[str]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("class")
    for heading in ("images", "precision", "recall", "F1"):
        table.add_column(heading, justify="right")
    for name, row in zip(names, scores.by_class, strict=True):
        table.add_row(escape(name), f"{row[0]:,}", *(f"{value:.3f}" for value in row[1:]))
    return table
