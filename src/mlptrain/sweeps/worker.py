"""A cell of a sweep, trained where its launcher runs it."""

import contextlib
import os
import signal
from pathlib import Path

from filelock import Timeout
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mlptrain.config.compose import checked
from mlptrain.config.identity import config_hash
from mlptrain.config.schema import Config
from mlptrain.datasets import Inventories
from mlptrain.errors import ConfigError, FullDiskError
from mlptrain.store.heartbeat import claim
from mlptrain.store.run_folder import RunFolder
from mlptrain.sweeps.supervisor import Supervisor
from mlptrain.training.views.plain import View

FULL_DISK = "full disk"


def train_cell(composed: DictConfig, supervisor: Supervisor, inventories: Inventories) -> str:
    """Train one cell in the folder that Hydra made for it.

    Returns:
        The run's status, `elsewhere` if another process is training the cell, or `FULL_DISK`. A
        failure is recorded in the folder, not raised.

    Raises:
        ConfigError: the config is not the one that the sweep planned for the folder.
    """
    config = checked(composed, inventories)
    settings = HydraConfig.get()
    folder = RunFolder(Path(settings.runtime.output_dir))
    check_planned(config, folder)
    with supervisor.at_work():
        if supervisor.reason_to_stop() is not None:
            return "interrupted"  # it was still waiting when the sweep was stopped
        try:
            with claim(folder.path, timeout=0):
                command = ["mlptrain", *settings.overrides.task]
                return _train(config, folder, command, supervisor)
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
            f"another config, with the hash {here}",
            "if conf/ or the images at data.path have changed, type the command again; otherwise "
            "this is a bug in mlptrain, please report it",
        )


def _train(config: Config, folder: RunFolder, command: list[str], supervisor: Supervisor) -> str:
    """Start or resume the run, unless the folder says that it is finished."""
    from mlptrain.training.interruption import Interrupted
    from mlptrain.training.run import finish_run

    view = View()  # the sweep's own view reads the folders
    try:
        finish_run(config, folder, view, command, supervisor.reason_to_stop)
    except Interrupted as stop:
        supervisor.stop_from_its_own_process(str(stop))
        _pass_on(str(stop))
        return "interrupted"
    except FullDiskError:
        return FULL_DISK  # where nothing can be recorded
    except Exception:
        return "failed"
    return "finished"


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
