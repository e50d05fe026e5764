"""`mlptrain predict RUN IMAGE…`: classify image files."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlptrain.commands._options import Run, form_among
from mlptrain.crash import reported_crashes

if TYPE_CHECKING:
    import numpy as np

app = typer.Typer()


@app.command(help="Classify image files.")
@reported_crashes()
def predict(
    run: Run,
    files: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="PNG, JPEG, WebP or BMP files.")
    ],
    top: Annotated[int, typer.Option("--top", metavar="K", help="Number of classes to show.")] = 3,
    form: Annotated[str, form_among("table", "json")] = "table",
) -> None:
    """Print the most probable classes of each image."""
    from mlptrain.errors import UsageError, printable
    from mlptrain.formatting import quantity
    from mlptrain.images.reading import read_readable, unreadable

    if not files or top < 1:
        raise UsageError(
            "image files, and --top of 1 or more",
            f"{quantity(len(files), 'file')}, --top {top}",
            f"write, for example, mlptrain predict {shlex.quote(printable(run))} cat.png --top 3",
        )
    from mlptrain.model.inference import Models, read_config

    side = read_config(run).data.image_side()
    images, faults = read_readable(files, side)
    readable = [file for file in files if file not in faults]
    if readable:
        models = Models([run], say=lambda text: print(text, file=sys.stderr))
        probabilities = models.probabilities(0, images)
        _print(readable, probabilities, models.class_names, top, form)
    if faults:
        folder = next((file for file in faults if file.is_dir()), None)
        example = f", such as {shlex.quote(printable(folder))}/*" if folder else ""
        raise unreadable(faults, len(files), f"give the paths of image files{example}")


def _print(
    files: Sequence[Path], probabilities: np.ndarray, names: Sequence[str], top: int, form: str
) -> None:
    import numpy as np
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from mlptrain.errors import printable
    from mlptrain.formatting import fitting_names, percent

    rows = []
    for file, row in zip(files, probabilities, strict=True):
        order = np.argsort(-row, kind="stable")[:top]
        rows.append((file, [(names[i], float(row[i])) for i in order]))
    if form == "json":
        content = [
            {"file": str(file), "top": [{"class": c, "probability": p} for c, p in best]}
            for file, best in rows
        ]
        print(json.dumps(content, indent=2))
        return
    console = Console(highlight=False)
    images, lines = fitting_names("image", [printable(file) for file in files], console.width)
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("image", no_wrap=True)
    for number in range(min(top, len(names))):
        table.add_column("class" if number == 0 else f"{number + 1}.", overflow="fold")
    for image, (_, best) in zip(images, rows, strict=True):
        table.add_row(escape(image), *(f"{escape(name)} {percent(share)}" for name, share in best))
    console.print(table)
