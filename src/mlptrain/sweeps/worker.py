"""A cell of a sweep, trained in a worker process that ends when its sweep does."""

from __future__ import annotations

import os
import threading
import time
from functools import cache
from multiprocessing import current_process
from pathlib import Path

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mlptrain.config.compose import plain
from mlptrain.config.schema import Config
from mlptrain.config.validation import validate
from mlptrain.runs.folder import RunFolder
from mlptrain.sweeps.cell_view import CellView

SWEEP_PROCESS = "MLPTRAIN_SWEEP_PROCESS"
"""Environment variable: the process that runs the sweep."""

_CLAIM = ".claim"
_busy = threading.Lock()


def train_cell(composed: DictConfig) -> str:
    """Train one cell in the folder that Hydra made for it.

    Returns:
        The run's status, or `elsewhere` when another process trains the cell; failures are in
        the folder, not raised.
    """
    config = validate(plain(composed))
    settings = HydraConfig.get()
    folder = RunFolder(Path(settings.runtime.output_dir))
    parent = _sweep_process()
    with _busy:
        if parent is not None:
            _end_with(parent)
            if os.getppid() != parent:
                return "interrupted"  # it was queued when the sweep was killed
        try:
            # The system takes the lock back when the process dies, however it dies.
            with FileLock(folder.file(_CLAIM), timeout=0):
                return _train(config, folder, ["mlptrain", *settings.overrides.task], parent)
        except Timeout:
            return "elsewhere"


def _train(config: Config, folder: RunFolder, command: list[str], parent: int | None) -> str:
    """Start, resume, or leave alone what the folder says is finished."""
    from mlptrain.training.interruption import Interrupted
    from mlptrain.training.run import resume_run, start_run

    view = CellView(folder.path.name, config.train.epochs)
    try:
        match folder.status():
            case "finished":
                pass
            case "running" | "interrupted":
                resume_run(config, folder, view, parent)
            case _:
                start_run(config, folder, view, command, parent)
    except Interrupted:
        return "interrupted"
    except Exception:
        return "failed"
    return "finished"


def _sweep_process() -> int | None:
    """A joblib worker's parent, to stop with. A batch system's job has none."""
    worker = current_process().name.startswith("LokyProcess")
    return int(os.environ[SWEEP_PROCESS]) if worker and SWEEP_PROCESS in os.environ else None


@cache
def _end_with(parent: int) -> None:
    """Watch the parent from a thread; when it is gone, leave as soon as no cell is trained.

    A worker that waits for its next cell would otherwise stay for minutes after a killed sweep.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        with _busy:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
