"""`mlptrain search SPACE [KEY=VALUE…]`: Optuna looks for better settings."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from mlptrain.config.command_line import CommandLine
from mlptrain.errors import UsageError


def search(
    name: str,
    arguments: Sequence[str],
    trials: int | None,
    workers: int | None,
    text: Sequence[str],
) -> None:
    """Train a search's trials; see `mlptrain.search.running`.

    Raises:
        UsageError: Optuna is not installed, or a number is not positive.
        ConfigError: the space or an override is not valid.
    """
    if find_spec("optuna") is None:
        raise UsageError("Optuna", "it is not installed", "pip install 'mlptrain[search]'")
    for option, number in (("--trials", trials), ("--workers", workers)):
        if number is not None and number < 1:
            raise UsageError(f"{option} of at least 1", str(number), f"{option} 2")
    from mlptrain.search.running import run_search

    run_search(name, CommandLine.parse(arguments, text), trials, workers)
