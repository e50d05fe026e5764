"""`mlptrain status SWEEP`: the state of a sweep's runs, and the commands that finish it."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlptrain import completion

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer()


@app.command(help="Show the state of every run of a sweep, and the commands that finish it.")
def status(
    sweep: Annotated[
        Path,
        typer.Argument(
            metavar="SWEEP", help="Folder of the sweep.", autocompletion=completion.sweeps
        ),
    ],
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Remove runs that no command asks for any more, after confirmation."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without confirmation.")] = False,
) -> None:
    """Print every cell's state.

    Raises:
        RunFolderError: the folder is not a sweep's.
    """
    from rich.console import Console

    from mlptrain.store.sweep_file import load
    from mlptrain.sweeps.ledger import how_to_retry, read_ledger, unrequested_runs
    from mlptrain.sweeps.tables import counts, ledger_table

    try:
        root = sweep.expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # ~someone, a link to itself
        root = sweep
    known = load(root)
    entries = read_ledger(root, root.parent, known.requested)
    console = Console(highlight=False)
    console.print(ledger_table(entries))
    console.print(counts(entries))
    extra = unrequested_runs(root, known.requested)
    if extra:
        console.print(f"{len(extra)} runs that no command asks for any more:")
        for folder in extra:
            console.print(f"  {folder.name}  ({_state(folder)})", markup=False, soft_wrap=True)
        if not prune:
            console.print("status --prune removes them, after confirmation")
    unfinished = {e.cell.config_hash for e in entries if e.status not in ("done", "running")}
    if unfinished:
        console.print("commands that train the rest:")
        for command, hashes in known.commands.items():
            if unfinished.intersection(hashes):
                console.print(f"  {shlex.join(command)}", markup=False, soft_wrap=True)
        if advice := how_to_retry(entries):
            console.print(advice)
    if prune:
        _prune(console, root, extra, yes)


def _prune(console: Console, root: Path, folders: list[Path], yes: bool) -> None:
    from mlptrain.errors import RunFolderError
    from mlptrain.store.sweep_file import forget, load
    from mlptrain.sweeps.ledger import is_alive

    known = load(root)
    dropped = [cell for cell in known.cells.values() if cell not in known.requested]
    running = [f for f in folders if _state(f) == "running" and is_alive(f)]
    if running:
        raise RunFolderError(
            "no run that is being trained among those to remove",
            f"{running[0].name}, which a process is training",
            "wait for it to finish or stop that process, then prune",
        )
    if not folders:
        console.print("nothing to remove")
    elif not yes and not typer.confirm(f"Remove {len(folders)} run folders permanently?"):
        console.print("nothing was removed")
        return
    for folder in folders:
        shutil.rmtree(folder)
    forget(root, dropped)
    if folders:
        console.print(f"{len(folders)} removed")


def _state(folder: Path) -> str:
    from mlptrain.errors import RunFolderError
    from mlptrain.store.run_folder import RunFolder

    try:
        return str(RunFolder(folder).status())
    except RunFolderError:
        return "not readable"
