"""`mlptrain resume RUN`: go on with an interrupted run."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from mlptrain.errors import RunFolderError
from mlptrain.store.run_folder import CLAIM
from mlptrain.training.run import open_for_resume, resume_run
from mlptrain.training.views.choose import make_view


def resume(run: Path) -> None:
    """Go on from the last checkpoint, to the same result as if it had never stopped.

    Raises:
        RunFolderError: there is no run that could go on, or another process trains it.
    """
    folder, config = open_for_resume(run)
    view = make_view(config.runtime.progress)
    view.message("importing TensorFlow")
    try:
        with FileLock(folder.file(CLAIM), timeout=0):
            open_for_resume(run)  # again: another process may have finished it meanwhile
            resume_run(config, folder, view)
    except Timeout:
        raise RunFolderError(
            "a run that no process trains", f"{run}, which another one trains", "wait for it"
        ) from None
