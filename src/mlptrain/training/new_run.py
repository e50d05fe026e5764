"""A new run, from its checked config to its finished folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from mlptrain.config.compose import Composed
from mlptrain.config.identity import config_hash
from mlptrain.config.validation import check_installed
from mlptrain.store import names
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import write_hydra


def train_once(composed: Composed, command: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Train a checked config in a new folder below its `output_root`.

    Args:
        composed: the config, and what `.hydra/` records of how it came about.
        command: what was typed, for the record.

    Returns:
        The run's folder, and the content of its `metrics.json`.

    Raises:
        MlptrainError: the folder cannot be made, or the run failed.
        Interrupted: a signal came; the run can be resumed.
    """
    config = composed.config
    check_installed(config.logger)
    output_root = Path(config.output_root)
    folder = RunFolder.create(output_root, config_hash(config))

    from mlptrain.training.run import finish_run
    from mlptrain.training.views.choose import make_view

    folder.point_latest(output_root)
    write_hydra(folder, config, composed.overrides, composed.hydra)
    view = make_view(config.runtime.progress)
    view.message("importing TensorFlow")
    # A stopped (SIGSTOP) process holds the lock too, so that no other process resumes its run.
    with FileLock(folder.file(names.CLAIM)):
        return folder.path, finish_run(config, folder, view, command)
