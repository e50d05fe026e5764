"""The command line: assembles the subcommands, runs one, turns its errors into exit codes."""

import gc
import os
import re
import shlex
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from mlptrain import completion
from mlptrain.config.location import subcommands
from mlptrain.errors import (
    FullDiskError,
    MlptrainError,
    UnexpectedError,
    UsageError,
    is_full_disk,
    printable,
    reason_of,
)
from mlptrain.streams import quiet_on_hangup

INTERRUPTED = 130
# click's UsageError; newer typer carries a click of its own, so it cannot be imported by name.
_CLICK_USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
_OPTIONS = ("--help", "-h", "--version", "--install-completion", "--show-completion")

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

app = typer.Typer(
    name="mlptrain",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help=(
        "Train Keras MLPs on CIFAR-10 or your own images. Each run is described by one checked "
        "config and leaves a folder with its settings and results.\n\n"
        "[bold]mlptrain[/] alone trains the study's final recipe. Overrides change it:\n\n"
        "  mlptrain optimizer=rmsprop model.dropout=0.3\n\n"
        "  mlptrain -m activation=relu,tanh,gelu init=he_normal,glorot_uniform\n\n"
        "  mlptrain data=cifar10_mini train.epochs=2\n\n"
        "[bold]mlptrain options[/] lists every group and choice; "
        "[bold]mlptrain --cfg job[/] prints the whole config."
    ),
)
for _name in subcommands():
    app.add_typer(import_module(f"mlptrain.commands.{_name}").app)


def _print_versions(is_requested: bool) -> None:
    if is_requested:
        from mlptrain.machine import versions

        for name, number in reversed(versions().items()):
            print(f"{name} {number}")
        raise typer.Exit


_HELP = "Print the versions of mlptrain, Python and the libraries it uses."
_VERSION = typer.Option("--version", callback=_print_versions, is_eager=True, help=_HELP)


@app.callback()
def _options(version: Annotated[bool, _VERSION] = False) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage or config, 130 interrupted."""
    quiet_on_hangup()
    # Records and configs are many objects without cycles: looking for cycles takes a tenth.
    gc.set_threshold(100_000)
    if not sys.warnoptions and not _is_debugging():
        # Warnings of libraries are for programmers; workers inherit the variable.
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")
    code = run_command_line(sys.argv[1:] if arguments is None else arguments)
    # Everything is written and printed: Ctrl-C while Python shuts down must not change the code.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def run_command_line(arguments: Sequence[str]) -> int:
    """Run the command line, print its error if there is one, and return the exit code."""
    from mlptrain.training.interruption import Interrupted

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files need not be valid text
            stream.reconfigure(errors="backslashreplace")
    if completion.REQUESTED in os.environ:
        completion.prepare(os.environ)
        arguments = []
    first = arguments[0] if arguments else ""
    stop = ""
    has_subcommand = first in subcommands() or first.partition("=")[0] in _OPTIONS
    try:
        code = app(
            list(arguments) if has_subcommand else ["train", *arguments],
            prog_name="mlptrain",
            standalone_mode=False,
            obj=("mlptrain", *arguments),  # for the record of a run
        )
    except SystemExit as end:
        return int(end.code or 0)
    except (KeyboardInterrupt, Interrupted, typer.Abort) as error:
        code, stop = INTERRUPTED, str(error)
        if isinstance(error.__context__, EOFError):
            print()  # after the question
            stop = "the input ended before an answer; --yes confirms in advance"
    except Exception as error:
        if _is_debugging():
            raise
        readable = _readable(error, arguments)
        print(printable(readable, keep="\n"), file=sys.stderr)
        return readable.exit_code
    if code == INTERRUPTED:  # typer turns Ctrl-C into this code, too
        print(f"Interrupted ({stop or 'SIGINT'}). What was written is kept.", file=sys.stderr)
    return int(code or 0)


def _is_debugging() -> bool:
    return os.environ.get("MLPTRAIN_DEBUG") == "1"


def _readable(error: Any, arguments: Sequence[str]) -> MlptrainError:
    """Return an error as the block that users see."""
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
