"""`mlptrain race KEY=A,B…`: add seeds until the best configuration is known."""

import re
from typing import Annotated

import typer

from mlptrain.commands._options import Like, overrides

app = typer.Typer()

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


@app.command(
    context_settings={"ignore_unknown_options": True},
    help="Train a grid or study=NAME with more and more seeds: configurations that are "
    "significantly worse drop out, until one is left or the rest are tied. Type the same command "
    "again to resume a race.",
)
def race(
    context: typer.Context,
    arguments: Annotated[
        list[str] | None,
        overrides("The configurations: a grid, or study=NAME. The race adds the seeds.", "KEY=A,B"),
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            metavar="POINTS",
            help="Difference in validation accuracy that does not matter, in percentage points "
            "(default 0.5). Configurations that are closer are tied.",
            show_default=False,
        ),
    ] = 0.5,
    max_seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Largest number of seeds of a configuration (default 10).",
            show_default=False,
        ),
    ] = 10,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time for training, such as 90m or 2h; a round that would take longer is not "
            "started (default: no limit).",
        ),
    ] = None,
    like: Like = None,
) -> None:
    """Race configurations; see `mlptrain.race.running`.

    Raises:
        UsageError: a limit is not valid.
        ConfigError: there is nothing to race, or a config is not valid.
        TrainingError: a run failed.
    """
    from dataclasses import replace

    from mlptrain.config.command_line import CommandLine
    from mlptrain.errors import UsageError
    from mlptrain.store.base import read_base

    check_margin(margin)
    if max_seeds < 2:
        raise UsageError(
            "--max-seeds of at least 2, because one seed has no spread",
            f"--max-seeds {max_seeds}",
            "write --max-seeds 10, for example",
        )
    seconds = None if budget is None else _seconds(budget)
    base = None if like is None else read_base(like)
    line = CommandLine.parse(arguments or [], context.obj, base, command="race")
    line.require_grid()
    from mlptrain.race.entrants import Limits
    from mlptrain.race.running import run_race

    line = replace(line, options=("--multirun",))
    run_race(line, Limits(margin / 100, max_seeds, seconds))


def check_margin(margin: float) -> None:
    """Check a margin in percentage points.

    Raises:
        UsageError: it is not between 0 and 100.
    """
    from mlptrain.errors import UsageError

    if not 0 < margin < 100:
        raise UsageError(
            "--margin in percentage points, above 0 and below 100",
            f"--margin {margin:g}",
            "write --margin 0.5, for example",
        )


def _seconds(text: str) -> float:
    """Return the seconds of a time such as `90m`, `2h` or `1h30m`.

    Raises:
        UsageError: it is no time, or none at all.
    """
    from mlptrain.errors import UsageError

    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)", text)
    is_whole = re.fullmatch(r"(\s*\d+(\.\d+)?\s*(s|min|m|h|d)\s*)+", text) is not None
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if is_whole else 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(
            "--budget with a time above 0",
            f"--budget {text}",
            "write --budget 90m, 2h or 1h30m, for example",
        )
    return seconds
