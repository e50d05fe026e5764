"""`mlptrain remove PATH…`: remove runs and sweeps."""

from pathlib import Path
from typing import Annotated

import typer

from mlptrain.commands._options import confirmed, folders

app = typer.Typer()


@app.command(help="Remove runs, sweeps and searches, after confirmation.")
def remove(
    paths: Annotated[list[Path], folders("PATH", "Folders of runs, sweeps or searches.")],
    yes: Annotated[bool, confirmed("Remove without confirmation.")] = False,
) -> None:
    """Remove the folders, but no file that mlptrain did not write."""
    from mlptrain.errors import RunFolderError, printable
    from mlptrain.formatting import quantity, shown_path
    from mlptrain.sweeps import removal
    from mlptrain.sweeps.idle_folder import IdleFolder

    folders = list({folder.path: folder for folder in map(IdleFolder.open, paths)}.values())
    for folder in folders:
        if folder.kind == "run" and folder.group == "search":
            raise RunFolderError(
                "a run, a sweep or a search",
                f"{shown_path(folder.path)}, a trial, which its search counts as done",
                f"remove the whole search: mlptrain remove {shown_path(folder.path.parent)}",
            )
    for folder in folders:
        size, runs = f"{folder.size() / 1e6:.1f} MB", f"{quantity(len(folder.runs), 'run')}, "
        what = f"{folder.kind} {printable(shown_path(folder.path))}"
        print(f"{what} ({'' if folder.kind == 'run' else runs}{size})")
        for sweep in removal.sweeps_that_request(folder):
            print(f"  {printable(shown_path(sweep))} counts it, and would train it again")
    number = quantity(len(folders), "folder")
    if not yes and not typer.confirm(f"Remove {number} permanently?"):
        print("nothing was removed")
        return
    remaining = removal.remove(folders)
    for path in remaining:
        print(f"{printable(shown_path(path))} keeps the files that mlptrain did not write")
    print(f"{number} removed")
