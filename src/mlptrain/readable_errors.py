"""Errors of any kind as the block that users see."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from mlptrain.config.location import subcommands
from mlptrain.errors import (
    FullDiskError,
    MlptrainError,
    UnexpectedError,
    UsageError,
    is_full_disk,
    reason_of,
)

# click's UsageError; newer typer carries a click of its own, so it cannot be imported by name.
_CLICK_USAGE_ERROR: Any = typer.BadParameter.__mro__[1]

_IN_PLAIN_WORDS = (
    (r"^Missing argument '(.+)'$", r"\1 is missing"),
    (r"^Missing command$", "the command is missing"),
    (r"^Got unexpected extra arguments?(?:\(s\))? \((.+)\)$", r"unexpected: \1"),
    (r"^No such option: (\S+).*$", r"there is no option \1"),
    (r"^No such command '(.+?)'", r"there is no command \1"),
    (r"^Option '(.+)' requires an argument$", r"\1 has no value"),
    (r"^Invalid value for '(.+?)': (?:Input should|'.*' (?=is not))", r"\1 has to"),
    (r", unable to parse string as an? \w+$", ""),
    ("has to is not a valid", "has to be a valid"),
    ("be a valid integer", "be a whole number"),
    ("be a valid number", "be a number"),
    ("be greater than or equal to", "be at least"),
)
"""What typer says of a wrong call → what users read."""


def as_readable(error: Any, arguments: Sequence[str]) -> MlptrainError:
    """Return an error as the block that users see.

    Args:
        error: whatever ended the command.
        arguments: what was typed after `mlptrain`.
    """
    if isinstance(error, MlptrainError):
        return error
    if is_full_disk(error):
        place = error.filename or f"{Path.cwd()}, of temporary files, or of /dev/shm"
        return FullDiskError(reason_of(error), place)
    if not isinstance(error, _CLICK_USAGE_ERROR):
        return UnexpectedError(error)
    typed = ["mlptrain", *arguments]
    command = (
        error.ctx.command_path if error.ctx else " ".join(typed[: 1 + (typed[1] in subcommands())])
    )
    usage = error.ctx.get_usage() if error.ctx else f"{command} with a value after the option"
    problem = error.format_message().rstrip(".")
    for pattern, words in _IN_PLAIN_WORDS:
        problem = re.sub(pattern, words, problem)
    to_do = f"`{command} --help` explains it"
    if problem.startswith("unexpected: ") and "=" in problem:
        to_do = "settings are those of a new run: mlptrain --like RUN KEY=VALUE"
    elif close := getattr(error, "possibilities", None):
        to_do = f"did you mean {close[0]}? {to_do}"
    expected = re.sub(r"[{}]", "", usage.removeprefix("Usage: ").strip())
    return UsageError(expected, f"{shlex.join(typed)} ({problem})", to_do)
