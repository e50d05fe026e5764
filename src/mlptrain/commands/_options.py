"""What several subcommands declare alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from mlptrain import completion
from mlptrain.errors import UsageError

Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of the run.", autocompletion=completion.runs)
]
Like = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Start from the config of an earlier run, or from a config.yaml, instead of the "
        "defaults.",
        autocompletion=completion.runs,
    ),
]
DataPath = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Where the run's own images (data=folder or data=npz) are now, if they moved.",
    ),
]


def folders(
    metavar: str, text: str, complete: Callable[[], Any] = completion.runs_and_sweeps
) -> Any:
    """Return the argument that names folders, with its help."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=complete)


def overrides(text: str, metavar: str = "KEY=VALUE") -> Any:
    """Return the argument that takes overrides, with its help."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=completion.overrides)


def confirmed(text: str) -> Any:
    """Return the option `--yes`, with its help."""
    return typer.Option("--yes", "-y", help=text)


def form_among(*forms: str) -> Any:
    """Return the option `--format`, which refuses other forms while the options are read."""
    listed = f"{', '.join(forms[:-1])} or {forms[-1]}"

    def check(form: str) -> str:
        if form not in forms:
            raise UsageError(f"--format to be {listed}", f"--format {form}", "choose one of them")
        return form

    return typer.Option(
        "--format", metavar="FORMAT", help=f"Output format: {listed}.", callback=check
    )
