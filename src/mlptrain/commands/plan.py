"""`mlptrain plan KEY=A,B…`: what a sweep would run; trains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mlptrain.commands.hydra_options import split_options
from mlptrain.config.overrides import normalise
from mlptrain.config.sizes import steps_per_epoch
from mlptrain.sweeps.cells import plan_sweep
from mlptrain.sweeps.ledger import read_ledger
from mlptrain.sweeps.study import take_study
from mlptrain.sweeps.tables import counts, ledger_table
from mlptrain.sweeps.words import take_settings


def plan(words: Sequence[str]) -> None:
    """Print the cells, which of them are done, and the steps that are left at most.

    Raises:
        ConfigError: any cell is not valid.
    """
    _, words = split_options(words)  # a pasted sweep command has its -m
    study, words = take_study(normalise(words))
    _, words = take_settings(words)
    asked = plan_sweep(words, study)
    output_root = Path(asked.cells[0].config.output_root).expanduser().resolve()
    entries = read_ledger(output_root / asked.name, output_root, asked.cells)
    console = Console(highlight=False)
    for stage, hashes in asked.stages:
        console.print(f"[bold]{stage.title}[/] ({len(hashes)} listed): {stage.question}")
    console.print(ledger_table(entries))
    console.print(f"{asked.listed} listed, {len(asked.cells)} distinct; {counts(entries)}")
    steps = sum(
        steps_per_epoch(cell.config) * cell.config.train.epochs
        for cell, entry in zip(asked.cells, entries, strict=True)
        if entry.status != "done"
    )
    console.print(f"left: at most {steps:,} steps, in {output_root / asked.name}", soft_wrap=True)
