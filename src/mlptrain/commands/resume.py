"""`mlptrain resume RUN`: go on with an interrupted run."""

from __future__ import annotations

from pathlib import Path

from mlptrain.training.run import open_for_resume, resume_run
from mlptrain.training.view import make_view


def resume(run: Path) -> None:
    """Go on from the last checkpoint, to the same result as if it had never stopped."""
    folder, config = open_for_resume(run)
    view = make_view(config.runtime.progress)
    view.message("importing TensorFlow")
    resume_run(config, folder, view)
