"""argv → training or a reading verb. Imports nothing heavy before it knows which."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mlptrain.commands import completion
from mlptrain.errors import MlptrainError, UsageError, printable
from mlptrain.streams import Outliving
from mlptrain.verbs import VERBS

INTERRUPTED = 130
# click's UsageError; newer typer carries a click of its own, so it cannot be imported by name.
_CLICK_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="mlptrain",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help=(
        "Train a Keras MLP on CIFAR-10 from one checked config, and leave a run folder that "
        "explains itself.\n\n"
        "[bold]mlptrain[/] alone trains the study's final recipe. Overrides change it:\n\n"
        "  mlptrain optimizer=rmsprop model.dropout=0.3\n\n"
        "  mlptrain -m activation=relu,tanh,gelu init=he_normal,glorot_uniform\n\n"
        "  mlptrain data=cifar10_mini train.epochs=2\n\n"
        "[bold]mlptrain options[/] lists every group and choice; "
        "[bold]mlptrain --cfg job[/] prints the whole config."
    ),
)
data_app = typer.Typer(help="Get CIFAR-10, check its bytes, look at it.")
app.add_typer(data_app, name="data")

RunFolderArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="Its folder.", autocompletion=completion.runs)
]


def _version(wanted: bool) -> None:
    if wanted:
        from mlptrain.machine import versions

        for name, number in reversed(versions().items()):
            print(f"{name} {number}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print versions.")
    ] = False,
) -> None:
    pass


@app.command(
    "train",
    context_settings={"ignore_unknown_options": True},
    help="Train once from KEY=VALUE overrides, or a grid with -m. The verb may be left out. "
    "Hydra's own options work too: --cfg job, --info, --hydra-help.",
)
def _train(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Overrides of the config.",
            autocompletion=completion.overrides,
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            metavar="RUN",
            help="Start from an earlier run's config.",
            autocompletion=completion.runs,
        ),
    ] = None,
) -> None:
    from mlptrain.commands.train import train

    train(words or [], like, context.obj)


@app.command(
    "plan",
    context_settings={"ignore_unknown_options": True},
    help="Say what a sweep would run: its cells, which are done, what is left.",
)
def _plan(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=A,B", help="A grid, or study=NAME.", autocompletion=completion.overrides
        ),
    ] = None,
) -> None:
    from mlptrain.commands.plan import plan

    plan(words or [])


@app.command("status", help="The cells of a sweep: done, running, failed, missing.")
def _status(
    sweep: Annotated[
        Path,
        typer.Argument(
            metavar="SWEEP",
            help="Its folder.",
            autocompletion=completion.sweeps,
        ),
    ],
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove runs no longer asked for, after asking.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    from mlptrain.commands.status import status

    status(sweep, prune, yes)


@app.command("resume", help="Go on with an interrupted run, to the same result.")
def _resume(
    run: RunFolderArgument,
) -> None:
    from mlptrain.commands.resume import resume

    resume(run)


@app.command("runs", help="A table of runs: what varies, and their figures.")
def _runs(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Runs, sweeps, output roots; outputs by default.",
            autocompletion=completion.runs_and_sweeps,
        ),
    ] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="KEY", help="Best first; -KEY turns it round.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="KEY=VALUE", help="Only these; also != < > <= >=."),
    ] = None,
    columns: Annotated[
        str, typer.Option("--columns", metavar="A,B…", help="Which columns, in this order.")
    ] = "",
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table, csv, json or markdown.")
    ] = "table",
) -> None:
    from mlptrain.commands.runs import runs

    runs(paths or [], sort, where or [], columns, form)


@app.command("report", help="The comparison of runs as one page that works offline.")
def _report(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            help="Runs, sweeps or output roots.",
            autocompletion=completion.runs_and_sweeps,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The page to write.")
    ] = Path("report.html"),
    data: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="The same figures as data.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="KEY=VALUE,…", help="What to compare with."),
    ] = None,
) -> None:
    from mlptrain.commands.report import report

    report(paths, output, data, baseline)


@app.command("diff", help="What differs between runs: config, data, versions, results.")
def _diff(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Their folders, two or more.",
            autocompletion=completion.runs,
        ),
    ],
) -> None:
    from mlptrain.commands.diff import diff

    diff(runs)


@app.command("evaluate", help="Score saved models on any images; several runs vote together.")
def _evaluate(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN", help="Their folders.", autocompletion=completion.runs_and_sweeps
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="SOURCE",
            help="train, validation, test; a folder of images by class; an .npz; A.npy,B.npy.",
        ),
    ] = "test",
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table or json.")
    ] = "table",
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="The reliability picture.")
    ] = None,
    best: Annotated[
        int | None,
        typer.Option(
            "--best", metavar="K", help="The K best by validation below RUN, such as a sweep."
        ),
    ] = None,
    data_path: Annotated[
        str | None,
        typer.Option(
            "--data-path", metavar="PATH", help="Where the run's own data=folder or npz stands."
        ),
    ] = None,
) -> None:
    from mlptrain.commands.evaluate import evaluate

    evaluate(runs, data, form, plot, best, data_path)


@app.command("predict", help="Classify image files.")
def _predict(
    run: RunFolderArgument,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="PNG, JPEG, WebP, BMP.")],
    top: Annotated[int, typer.Option("--top", metavar="K", help="So many classes.")] = 3,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table or json.")
    ] = "table",
) -> None:
    from mlptrain.commands.predict import predict

    predict(run, images, top, form)


@app.command("search", help="Look for better settings with Optuna; the same command goes on.")
def _search(
    context: typer.Context,
    space: Annotated[
        str,
        typer.Argument(
            metavar="SPACE",
            help="A file of conf/search, or your own .yaml.",
            autocompletion=completion.names_of("search"),
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="For every trial.", autocompletion=completion.overrides
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", help="So many in all.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="So many at a time.")
    ] = None,
) -> None:
    from mlptrain.commands.search import search

    search(space, words or [], trials, workers, context.obj)


@app.command("options", help="List the groups and every choice in them.")
def _options_verb(
    group: Annotated[
        str | None,
        typer.Argument(
            metavar="GROUP", help="One group only.", autocompletion=completion.group_names
        ),
    ] = None,
) -> None:
    from mlptrain.commands.options import show_options

    show_options(group)


@data_app.command("fetch", help="Get CIFAR-10 into the cache, checked byte for byte.")
def _fetch() -> None:
    from mlptrain.commands.data import fetch

    fetch()


@data_app.command("verify", help="Check the cached CIFAR-10 against its known hashes.")
def _verify() -> None:
    from mlptrain.commands.data import verify

    verify()


@data_app.command("show", help="Draw a grid of sample images; KEY=VALUE as in training.")
def _show(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Such as data=cifar10_mini.",
            autocompletion=completion.overrides,
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture to write.")] = Path(
        "samples.png"
    ),
) -> None:
    from mlptrain.commands.data import show

    show(words or [], output)


def _with_verb(words: list[str]) -> list[str]:
    """Put `train` before bare overrides and Hydra's options."""
    own = {"--help", "-h", "--version", "--install-completion", "--show-completion"}
    if words and (words[0] in VERBS or words[0].partition("=")[0] in own):
        return words
    return ["train", *words]


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage or config, 130 interrupted."""
    for name in ("stdout", "stderr"):
        if (stream := getattr(sys, name)) is not None:
            setattr(sys, name, Outliving(stream))
    code = _run(list(sys.argv[1:] if words is None else words))
    # All is written and said: Ctrl-C while the interpreter closes must not change the code.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def _run(words: list[str]) -> int:
    from mlptrain.training.interruption import Interrupted

    debug = os.environ.get("MLPTRAIN_DEBUG") == "1"
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files need not be valid text
            stream.reconfigure(errors="backslashreplace")
    if completion.ASKED in os.environ:
        completion.take_words(os.environ)
        words = []
    try:
        code = app(
            _with_verb(words),
            prog_name="mlptrain",
            standalone_mode=False,
            obj=("mlptrain", *words),
        )
    except SystemExit as end:
        return int(end.code or 0)
    except MlptrainError as error:
        if debug:
            raise
        return _refuse(error)
    except _CLICK_USAGE_ERROR as error:
        return _refuse(_usage_error(error, words))
    except (KeyboardInterrupt, Interrupted, typer.Abort) as stop:
        return _interrupted(str(stop))
    except Exception as error:
        if debug:
            raise
        print(
            "Unexpected error\n"
            "  expected: no exception\n"
            f"  received: {type(error).__name__}: {error}\n"
            "  to do:    set MLPTRAIN_DEBUG=1 to see the traceback, and report it",
            file=sys.stderr,
        )
        return 1
    # typer turns Ctrl-C into an exit code of its own.
    return _interrupted("") if code == INTERRUPTED else int(code or 0)


def _refuse(error: MlptrainError) -> int:
    print(printable(error, keep="\n"), file=sys.stderr)
    return error.exit_code


def _interrupted(reason: str) -> int:
    print(f"Interrupted ({reason or 'SIGINT'}). What was written is kept.", file=sys.stderr)
    return INTERRUPTED


def _usage_error(error: Any, words: list[str]) -> UsageError:
    """A wrong call of a verb, as click found it."""
    usage = error.ctx.get_usage() if error.ctx else "Usage: mlptrain VERB"
    command = error.ctx.command_path if error.ctx else "mlptrain"
    return UsageError(
        usage.removeprefix("Usage: ").strip(),
        f"mlptrain {shlex.join(words)} ({error.format_message()})",
        f"`{command} --help` explains it",
    )
