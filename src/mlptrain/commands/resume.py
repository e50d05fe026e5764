"""`mlptrain resume RUN`: resume an interrupted run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlptrain import completion

app = typer.Typer()


@app.command(help="Resume an interrupted run; it ends as if it had never stopped.")
def resume(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Folder of the run.", autocompletion=completion.runs),
    ],
) -> None:
    """Train on from the last checkpoint.

    Raises:
        RunFolderError: there is no run that can be resumed, or another process is training it.
    """
    from filelock import FileLock, Timeout

    from mlptrain.errors import RunFolderError
    from mlptrain.store.names import CLAIM
    from mlptrain.training.run import open_for_resume, resume_run
    from mlptrain.training.views.choose import make_view

    folder, config = open_for_resume(run)
    view = make_view(config.runtime.progress)
    view.message("importing TensorFlow")
    try:
        with FileLock(folder.file(CLAIM), timeout=0):
            open_for_resume(run)  # again: another process may have finished it meanwhile
            resume_run(config, folder, view)
    except Timeout:
        raise RunFolderError(
            "a run that is not being trained",
            f"{run}, which another process is training",
            "wait for it to finish, or stop that process",
        ) from None
