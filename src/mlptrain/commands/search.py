"""`mlptrain search SPACE [KEY=VALUE…]`: Optuna looks for better settings."""

from importlib.util import find_spec
from typing import Annotated

import typer

from mlptrain import completion
from mlptrain.commands._options import form_among, overrides

app = typer.Typer()


@app.command(
    help="Search for better settings with Optuna. Type the same command again to resume a search, "
    "or with --importance to see which settings mattered."
)
def search(
    context: typer.Context,
    space: Annotated[
        str,
        typer.Argument(
            metavar="SPACE",
            help="Name of a file of conf/search, or path of your own .yaml file.",
            autocompletion=completion.names_of("search"),
        ),
    ],
    arguments: Annotated[list[str] | None, overrides("Overrides for every trial.")] = None,
    trials: Annotated[
        int | None,
        typer.Option(metavar="N", help="Total number of trials (default: as the file says)."),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Most epochs of all trials together (default: as the file says).",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number of parallel workers (default: as many as cores, memory and GPUs allow).",
        ),
    ] = None,
    importance: Annotated[
        bool,
        typer.Option(
            "--importance", help="Print how much each setting mattered so far; train nothing."
        ),
    ] = False,
    form: Annotated[str, form_among("table", "json")] = "table",
) -> None:
    """Train a search's trials; see `mlptrain.search.running`."""
    from mlptrain.config.command_line import CommandLine
    from mlptrain.errors import UsageError

    if find_spec("optuna") is None:
        raise UsageError(
            "Optuna to be installed", "no package optuna", "pip install 'mlptrain[search]'"
        )
    for option, number in (("--trials", trials), ("--budget", budget), ("--workers", workers)):
        if number is not None and number < 1:
            raise UsageError(f"{option} of at least 1", str(number), f"{option} 2")
    from mlptrain.search.running import open_search, run_search

    line = CommandLine.parse(arguments or [], context.obj)
    described, config = open_search(space, line, trials, budget)
    if importance:
        from rich.console import Console

        from mlptrain.search.importance import as_json, as_table, importances_of

        importances = importances_of(described)
        if form == "json":
            print(as_json(importances))
        else:
            Console(highlight=False).print(as_table(importances))
    else:
        run_search(described, config, workers, line.text)
