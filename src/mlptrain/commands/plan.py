"""`mlptrain plan KEY=A,B…`: the cells of a sweep and an estimate of the time; trains nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlptrain.commands._options import Like, overrides
from mlptrain.commands.race import check_margin

if TYPE_CHECKING:
    from mlptrain.config.schema import Config
    from mlptrain.sweeps.cells import Plan
    from mlptrain.sweeps.estimate import Estimator
    from mlptrain.sweeps.packing import Packing

app = typer.Typer()


@app.command(
    context_settings={"ignore_unknown_options": True},
    help="List the runs of a sweep and their state, and estimate the time left. Trains nothing.",
)
def plan(
    arguments: Annotated[list[str] | None, overrides("A grid, or study=NAME.", "KEY=A,B")] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="Also estimate how many seeds a sweep needs to find differences of this "
            "many percentage points (default: no such estimate).",
        ),
    ] = None,
    like: Like = None,
) -> None:
    """Print the cells with their state, and an estimate of the time that the others will take."""
    if margin is not None:
        check_margin(margin)
    from rich.console import Console
    from rich.markup import escape

    from mlptrain.config.command_line import CommandLine
    from mlptrain.config.compose import compose_hydra
    from mlptrain.config.sizes import steps_per_epoch
    from mlptrain.formatting import quantity
    from mlptrain.store.base import read_base
    from mlptrain.store.sweep_file import known_sweep
    from mlptrain.sweeps.cells import plan_sweep
    from mlptrain.sweeps.launchers import read_launcher
    from mlptrain.sweeps.ledger import how_to_retry, left_to_train, read_ledger
    from mlptrain.sweeps.packing import estimator_of, pack
    from mlptrain.sweeps.tables import counts, ledger_table, places

    base = None if like is None else read_base(like)
    line = CommandLine.parse(arguments or [], command="plan", base=base)
    line.require_grid()
    launcher = read_launcher(compose_hydra(line))
    sweep = plan_sweep(line.overrides, line.study, line.base)
    output_root = Path(sweep.cells[0].config.output_root).expanduser().resolve()
    root = output_root / sweep.name
    if (remembered := known_sweep(root)) is not None:
        sweep = sweep.named_as(remembered.cells)
    entries = read_ledger(root, output_root, sweep.cells)
    console = Console(highlight=False)
    if margin is not None:
        console.print(_resolution(sweep, output_root, margin), soft_wrap=True)
    for stage, hashes in sweep.stages:
        title, question = escape(stage.title), escape(stage.question)
        console.print(f"[bold]{title}[/] ({len(hashes)} listed): {question}")
    hashes_to_train = {e.cell.config_hash for e in left_to_train(entries, bool(line.retry_failed))}
    remaining = [cell.config for cell in sweep.cells if cell.config_hash in hashes_to_train]
    seconds = None
    if remaining:
        threads = None if remembered is None else remembered.threads
        packing = pack(launcher, [cell.config for cell in sweep.cells], output_root, threads)
        estimator = estimator_of(packing, output_root)
        seconds = {c.config_hash: estimator.seconds(c.config) for c in sweep.cells}
    console.print(ledger_table(entries, console.width, seconds), soft_wrap=True)
    console.print(f"{sweep.listed} listed, {len(sweep.cells)} distinct; {counts(entries)}")
    if not remaining:
        where = places(root, entries)
        console.print(f"nothing left to train, {where}", soft_wrap=True, markup=False)
        if advice := how_to_retry(entries):
            console.print(advice)
        return
    steps = sum(steps_per_epoch(config) * config.train.epochs for config in remaining)
    estimate = _time(estimator, remaining, packing)
    console.print(f"left: at most {quantity(steps, 'step')}{estimate}", soft_wrap=True)
    if packing.limited:
        limited = f"{packing.workers} at a time: {packing.limited}"
        console.print(limited, soft_wrap=True, markup=False)
    console.print(places(root, entries), soft_wrap=True, markup=False)


def _resolution(sweep: Plan, output_root: Path, margin: float) -> str:
    """Say with how many seeds a sweep finds differences of so many points."""
    from mlptrain.config.identity import recipe_hash
    from mlptrain.errors import RunFolderError
    from mlptrain.formatting import quantity
    from mlptrain.race.power import known_spread, seeds_to_resolve
    from mlptrain.store.runs import find_runs

    configs = [cell.config for cell in sweep.cells]
    recipes = {recipe_hash(config) for config in configs}
    points = "1 point" if margin == 1 else f"{margin:g} points"
    start = f"seeds to resolve {points} between {quantity(len(recipes), 'configuration')}:"
    try:
        spread = known_spread(find_runs([output_root]).runs, recipes, configs[0].data.name)
    except RunFolderError:
        spread = None
    if spread is None:
        return f"{start} not known before one configuration has two finished runs"
    which = "of them" if spread.is_of_these else f"on {configs[0].data.name}"
    source = f"SD between seeds {100 * spread.sd:.2f} points, from {spread.configurations} {which}"
    seeds = seeds_to_resolve(spread.sd, margin / 100, len(recipes))
    number = "more than 10,000" if seeds is None else f"{seeds}, {seeds * len(recipes):,} runs"
    return f"{start} {number} ({source}); `mlptrain race` drops the worse ones early"


def _time(estimator: Estimator, remaining: list[Config], packing: Packing) -> str:
    from mlptrain.formatting import duration, quantity
    from mlptrain.sweeps.estimate import STARTUP_SECONDS, makespan

    each = [estimator.seconds(config) for config in remaining]
    if any(seconds is None for seconds in each):
        unknown = sum(seconds is None for seconds in each)
        which = (
            f"{unknown} of {quantity(len(each), 'cell')} are" if len(each) > 1 else "the cell is"
        )
        return f"; no time estimate: {which} unlike any run that this machine has finished"
    total = makespan([s for s in each if s is not None], packing.workers) + STARTUP_SECONDS
    together = f"{packing.workers} at a time" if packing.workers > 1 else "one after another"
    threads = f"{quantity(packing.threads, 'thread')} each"
    return f"; about {duration(total)}, {together}, {threads} (from finished runs of this machine)"
