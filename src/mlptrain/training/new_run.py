"""A new run, from its checked config to its finished folder."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlptrain.config.compose import Composed
from mlptrain.config.identity import config_hash
from mlptrain.data.dataset import Dataset
from mlptrain.data_checks import find_image_faults
from mlptrain.datasets import DataSettings
from mlptrain.errors import RunFolderError
from mlptrain.formatting import typed_override
from mlptrain.store import names
from mlptrain.store.heartbeat import claim
from mlptrain.store.reading import read_json
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import write_hydra
from mlptrain.training.views.plain import View


def train_once(composed: Composed, command: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Train a checked config in a new folder below its `output_root`.

    A job that SLURM has requeued resumes its run of that config, or leaves it if it has finished.

    Returns:
        The run's folder, and the content of its `metrics.json`.

    Raises:
        MlptrainError: the folder cannot be made, or the run failed.
        Interrupted: a signal came; the run can be resumed.
    """
    config = composed.config
    config.logger.check_ready()
    output_root = Path(config.output_root)

    from mlptrain.model.process import check_machine
    from mlptrain.training.run import config_to_resume, finish_run
    from mlptrain.training.views import make_view

    view = make_view(config.runtime.progress)
    dataset = load_first(config.data, view)
    check_machine([config.runtime])
    earlier = _run_of_requeued_job(output_root, config_hash(config))
    if earlier is not None and earlier.status() == "finished":
        view.message(f"{earlier.path} was finished before SLURM requeued the job")
        return earlier.path, earlier.read_json(names.METRICS)
    folder = earlier or RunFolder.create(output_root, config_hash(config))
    if earlier is None:
        with folder.removed_if_disk_is_full():
            write_hydra(folder, config, composed.overrides, composed.hydra_yaml())
    folder.point_latest(output_root)
    view.message("importing TensorFlow")
    with claim(folder.path):  # of a requeued job: once no process on another node has it
        if resume := earlier is not None:
            config = config_to_resume(folder)
        return folder.path, finish_run(
            config, folder, view, command, dataset=dataset, resume=resume
        )


def _run_of_requeued_job(output_root: Path, config_hash: str) -> RunFolder | None:
    """Return the run of that config that this SLURM job began before it was requeued.

    A run that has not finished goes before one that has; None where there is neither, or where the
    job runs for the first time.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
        return None
    runs = []
    for file in output_root.expanduser().glob(f"*-{config_hash[:8]}-*/{names.RUN}"):
        with suppress(RunFolderError):  # a damaged record
            facts = read_json(file.parent, names.RUN)
            if (facts.get("slurm_job"), facts.get("config_hash")) == (job, config_hash):
                runs.append((facts.get("status") != "finished", str(file.parent.resolve())))
    return RunFolder(Path(max(runs)[1])) if runs else None


def load_first(data: DataSettings, view: View) -> Dataset | None:
    """Load images from where the user has them: what is wrong is said before a run begins.

    A line names the faults that `mlptrain data check` finds among the pixels of own images.

    Raises:
        ConfigError, DataError: they cannot be read, or have changed.
    """
    if not data.belongs_to_user and data.path is None:
        return None
    dataset = data.load(view.message)
    if data.belongs_to_user and (faults := find_image_faults(dataset)):
        counts = ", ".join(f"{fault.evidence['count']:,} {fault.name}" for fault in faults)
        settings = [
            typed_override(f"data.{key}", value)
            for key, value in (("path", data.path), ("image_size", data.image_side()))
        ]
        view.message(
            f"data check: {counts}; to name the images: "
            f"mlptrain data check data={data.name} {' '.join(settings)}"
        )
    return dataset
