"""`mlptrain [train] KEY=VALUE…`: one run, or with `-m` a grid of them."""

from typing import Annotated

import typer

from mlptrain.commands._options import Like, overrides

app = typer.Typer()


@app.command(
    context_settings={"ignore_unknown_options": True},
    help="Train one run from KEY=VALUE overrides, or a grid of runs with -m. The word `train` may "
    "be left out. Hydra's own options work too: --cfg job, --info, --hydra-help.",
)
def train(
    context: typer.Context,
    arguments: Annotated[
        list[str] | None, overrides("Overrides of the config, such as optimizer=rmsprop.")
    ] = None,
    like: Like = None,
    detach: Annotated[
        bool,
        typer.Option(
            "--detach",
            help="In a sweep on SLURM, return once the jobs are submitted; they continue when the "
            "terminal is closed (default: wait for them).",
        ),
    ] = False,
) -> None:
    """Train once, or let Hydra act where the arguments have options of Hydra's."""
    from mlptrain.config.command_line import CommandLine
    from mlptrain.config.compose import compose_one
    from mlptrain.store.base import read_base

    base = None if like is None else read_base(like)
    line = CommandLine.parse(arguments or [], context.obj, base)
    if detach:
        from mlptrain.sweeps.detached import detach as run_detached

        typed = [word for word in context.obj[1:] if word != "--detach"]
        raise typer.Exit(run_detached(line, typed))
    if line.options:
        from mlptrain.sweeps.hydra_app import run_hydra

        run_hydra(line)
        return
    composed = compose_one(line)
    from mlptrain.training.new_run import train_once

    train_once(composed, line.text)
