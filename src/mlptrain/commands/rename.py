"""`mlptrain rename PATH NAME`: rename a run or a sweep."""

from pathlib import Path
from typing import Annotated

import typer

from mlptrain.commands._options import confirmed, folders

app = typer.Typer()


@app.command(help="Rename the folder of a run or a sweep, after confirmation.")
def rename(
    path: Annotated[Path, folders("PATH", "Folder of a single run or a sweep.")],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="New name of the folder, without a path.")
    ],
    yes: Annotated[bool, confirmed("Rename without confirmation.")] = False,
) -> None:
    """Rename the folder; `latest` and the commands that a sweep remembers follow."""
    from mlptrain.errors import printable
    from mlptrain.formatting import shown_path
    from mlptrain.sweeps import removal
    from mlptrain.sweeps.idle_folder import IdleFolder

    folder = IdleFolder.open(path)
    target = removal.renamed(folder, name)
    before, after = printable(shown_path(folder.path)), printable(shown_path(target))
    if not yes and not typer.confirm(f"Rename {before} to {after}?"):
        print("nothing was renamed")
        return
    removal.rename(folder, target)
    print(f"{before} is now {after}")
    if folder.kind == "sweep":
        print(f"add name={name} to its commands; `mlptrain status {after}` prints them")
