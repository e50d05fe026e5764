"""A cell of a sweep, trained in a worker process that ends when its sweep does."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import current_process
from pathlib import Path

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mlptrain.config.compose import checked
from mlptrain.config.identity import config_hash
from mlptrain.config.schema import Config
from mlptrain.errors import ConfigError
from mlptrain.store.names import CLAIM
from mlptrain.store.run_folder import RunFolder
from mlptrain.training.views.plain import View

SWEEP_PROCESS = "MLPTRAIN_SWEEP_PROCESS"
"""Environment variable: the process that runs the sweep, for its workers."""

STOP_FILE = "MLPTRAIN_STOP_FILE"
"""Environment variable: path of a file that appears, with the reason, when the sweep shall stop.

A file reaches every worker: those of a batch system, and those between two cells."""

_busy = threading.Lock()


def train_cell(composed: DictConfig) -> str:
    """Train one cell in the folder that Hydra made for it.

    Returns:
        The run's status, or `elsewhere` if another process is training the cell. A failure is
        recorded in the folder, not raised.

    Raises:
        ConfigError: the config is not the one that the sweep planned for the folder.
    """
    config = checked(composed)
    settings = HydraConfig.get()
    folder = RunFolder(Path(settings.runtime.output_dir))
    check_planned(config, folder)
    with at_work():
        if asked_to_stop() is not None:
            return "interrupted"  # it was still waiting when the sweep was stopped
        try:
            with FileLock(folder.file(CLAIM), timeout=0):
                return _train(config, folder, ["mlptrain", *settings.overrides.task])
        except Timeout:
            return "elsewhere"


def check_planned(config: Config, folder: RunFolder) -> None:
    """Compare the config, which Hydra composed, with the one that the sweep composed itself.

    Raises:
        ConfigError: their hashes, of which the folder's name has the sweep's, differ.
    """
    planned, here = folder.path.name.rpartition("-")[2], config_hash(config)[:8]
    if planned != here:
        raise ConfigError(
            f"the config that the sweep planned for {folder.path.name}",
            f"another one, with the hash {here}",
            "this is a bug in mlptrain, please report it; a changed conf/ or data.path explains "
            "it too: then type the command again",
        )


@contextmanager
def sweep_process() -> Iterator[None]:
    """Tell workers started within the block that this process runs their sweep."""
    os.environ[SWEEP_PROCESS] = str(os.getpid())
    try:
        yield
    finally:
        del os.environ[SWEEP_PROCESS]


@contextmanager
def at_work() -> Iterator[None]:
    """Keep a worker whose sweep is gone from ending before its run does."""
    with _busy:
        if (parent := _sweep_process()) is not None:
            _belong_to(parent)
        yield


def _train(config: Config, folder: RunFolder, command: list[str]) -> str:
    """Start or resume the run, unless the folder says that it is finished."""
    from mlptrain.training.interruption import Interrupted
    from mlptrain.training.run import finish_run

    view = View()  # the sweep's own view reads the folders
    try:
        finish_run(config, folder, view, command, asked_to_stop)
    except Interrupted as stop:
        _stop_the_others(str(stop))
        _pass_on(str(stop))
        return "interrupted"
    except Exception:
        return "failed"
    return "finished"


def asked_to_stop() -> str | None:
    """Return why this worker's sweep has stopped, or None if it has not."""
    parent = _sweep_process()
    if parent is not None and os.getppid() != parent:
        return "the sweep's process is gone"
    try:
        return Path(os.environ[STOP_FILE]).read_text(encoding="utf-8") or "stopped"
    except (KeyError, OSError):
        return None


def _stop_the_others(reason: str) -> None:
    """Stop the sweep when, without workers, Ctrl-C reached the cell and not the sweep."""
    if os.environ.get(SWEEP_PROCESS) == str(os.getpid()) and STOP_FILE in os.environ:
        Path(os.environ[STOP_FILE]).write_text(reason, encoding="utf-8")


def _pass_on(reason: str) -> None:
    """Pass a batch system's warning on to submitit's handler, now that the folder is complete.

    The handler requeues the job in SLURM, as often as `hydra.launcher.max_num_timeout` allows, and
    exits. Otherwise it raises, and the cell waits until the sweep is started again.
    """
    if "SUBMITIT_EXECUTOR" in os.environ and reason in ("SIGUSR1", "SIGUSR2"):
        number = signal.Signals[reason]
        if callable(signal.getsignal(number)):
            with contextlib.suppress(RuntimeError):  # its UncompletedJobError
                signal.raise_signal(number)


def _sweep_process() -> int | None:
    """The process of the sweep if this is one of its joblib workers, which must end with it.

    A job of a batch system may inherit the environment variable, but outlives the sweep's process:
    only the name that loky gives its workers tells the two apart.
    """
    worker = current_process().name.startswith("LokyProcess")
    return int(os.environ[SWEEP_PROCESS]) if worker and SWEEP_PROCESS in os.environ else None


@cache
def _belong_to(parent: int) -> None:
    """Leave Ctrl-C to the parent; once the parent is gone, exit as soon as no cell is training.

    A worker that waits for its next cell would otherwise stay for minutes after a killed sweep.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        with _busy:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
