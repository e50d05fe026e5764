"""`mlptrain status SWEEP`: the state of a sweep's runs, and the commands that finish it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlptrain import completion
from mlptrain.commands._options import confirmed, folders

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer()


@app.command(help="Show the state of every run of a sweep, and the commands that finish it.")
def status(
    sweep: Annotated[
        Path | None,
        folders(
            "SWEEP", "Folder of the sweep (default: list the sweeps in outputs).", completion.sweeps
        ),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Remove runs that no command asks for any more, after confirmation."
        ),
    ] = False,
    yes: Annotated[bool, confirmed("Remove without confirmation.")] = False,
) -> None:
    """Print every cell's state; without a sweep, the number of cells in each state per sweep."""
    from rich.console import Console

    from mlptrain.errors import printable
    from mlptrain.formatting import quantity
    from mlptrain.store.race_file import read_race
    from mlptrain.store.sweep_file import load
    from mlptrain.sweeps.ledger import how_to_retry, read_ledger, unrequested_runs
    from mlptrain.sweeps.tables import counts, ledger_table

    if sweep is None:
        _list_sweeps()
        return
    try:
        root = sweep.expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # ~someone, a link to itself
        root = sweep
    known = load(root)
    entries = read_ledger(root, root.parent, known.requested)
    console = Console(highlight=False)
    console.print(ledger_table(entries, console.width), soft_wrap=True)
    console.print(counts(entries))
    if (race := read_race(root)) is not None:
        console.print(printable("\n".join(race.lines), keep="\n"), soft_wrap=True, markup=False)
    extra = unrequested_runs(root, known.requested)
    if extra:
        console.print(f"{quantity(len(extra), 'run')} that no command asks for any more:")
        for folder in extra:
            console.print(f"  {folder.name}  ({_state(folder)})", markup=False, soft_wrap=True)
        if not prune:
            prune_command = f"mlptrain status {shlex.quote(printable(sweep))} --prune"
            text = f"to remove them, after confirmation: {prune_command}"
            console.print(text, markup=False, soft_wrap=True)
    unfinished = {e.cell.config_hash for e in entries if e.status not in ("done", "running")}
    if unfinished:
        console.print("commands that train the rest:")
        for command, hashes in known.commands.items():
            if unfinished.intersection(hashes):
                console.print(f"  {printable(shlex.join(command))}", markup=False, soft_wrap=True)
        if advice := how_to_retry(entries):
            console.print(advice)
    if prune:
        _prune(console, root, extra, yes)


def _list_sweeps() -> None:
    from mlptrain.errors import RunFolderError, UsageError, printable
    from mlptrain.store.reading import find_sweep_folders
    from mlptrain.store.sweep_file import load
    from mlptrain.sweeps.ledger import read_ledger
    from mlptrain.sweeps.tables import counts

    outputs = Path("outputs").resolve()
    folders = list(find_sweep_folders(outputs))
    if not folders:
        raise UsageError(
            "a sweep's folder, or sweeps in outputs to list",
            "mlptrain status (SWEEP is missing, and outputs has no sweep)",
            "give the folder of a sweep; `mlptrain status --help` explains it",
        )
    for folder in folders:
        try:
            state = counts(read_ledger(folder, outputs, load(folder).requested))
        except RunFolderError as error:
            state = error.received
        print(printable(f"outputs/{folder.name}  {state}"))


def _prune(console: Console, root: Path, folders: list[Path], yes: bool) -> None:
    from mlptrain.formatting import quantity
    from mlptrain.store.sweep_file import forget, load
    from mlptrain.sweeps.idle_folder import IdleFolder
    from mlptrain.sweeps.removal import remove

    known = load(root)
    dropped = [cell for cell in known.cells.values() if cell not in known.requested]
    idle = [IdleFolder.of_run(folder) for folder in folders]
    listed = quantity(len(folders), "run folder")
    if not folders:
        console.print("nothing to remove")
    elif not yes and not typer.confirm(f"Remove {listed} permanently?"):
        console.print("nothing was removed")
        return
    remove(idle)
    forget(root, dropped)
    if folders:
        console.print(f"{listed} removed")


def _state(folder: Path) -> str:
    from mlptrain.errors import RunFolderError
    from mlptrain.store.run_folder import RunFolder

    try:
        return str(RunFolder(folder).status())
    except RunFolderError:
        return "not readable"
