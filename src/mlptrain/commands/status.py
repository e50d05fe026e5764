"""`mlptrain status SWEEP`: the ledger of a sweep, and the command for what is left."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console

from mlptrain.sweeps.ledger import read_ledger, unasked
from mlptrain.sweeps.sweep_file import load
from mlptrain.sweeps.tables import counts, ledger_table


def status(sweep: Path) -> None:
    """Print every cell's state.

    Raises:
        RunFolderError: the folder is not a sweep's.
    """
    root = sweep.expanduser().resolve()
    known = load(root)
    entries = read_ledger(root, root.parent, known.cells)
    console = Console(highlight=False)
    console.print(ledger_table(entries))
    console.print(counts(entries))
    if extra := unasked(root, known.cells):
        console.print(f"{len(extra)} folders no longer asked for:")
        for folder in extra:
            console.print(f"  {folder.name}", markup=False)
    if any(entry.status not in ("done", "running") for entry in entries):
        console.print("what is left:")
        for command in known.commands:
            console.print(f"  {shlex.join(command)}", markup=False, soft_wrap=True)
        if any(entry.status == "failed" for entry in entries):
            console.print("failed cells are tried again with sweep.retry_failed=true")
