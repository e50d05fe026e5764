"""The command line: assembles the subcommands, runs one, turns its errors into exit codes."""

import gc
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from mlptrain import completion
from mlptrain.config.location import subcommands
from mlptrain.errors import printable
from mlptrain.readable_errors import as_readable
from mlptrain.streams import quiet_on_hangup

INTERRUPTED = 130
_OPTIONS = ("--help", "-h", "--version", "--install-completion", "--show-completion")

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
        readable = as_readable(error, arguments)
        print(printable(readable, keep="\n"), file=sys.stderr)
        return readable.exit_code
    if code == INTERRUPTED:  # typer turns Ctrl-C into this code, too
        print(f"Interrupted ({stop or 'SIGINT'}). What was written is kept.", file=sys.stderr)
    return int(code or 0)


def _is_debugging() -> bool:
    return os.environ.get("MLPTRAIN_DEBUG") == "1"
