"""A new run, from its checked config to its finished folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlptrain.config.compose import Composed
from mlptrain.config.identity import config_hash
from mlptrain.config.validation import check_installed
from mlptrain.data.dataset import Dataset
from mlptrain.data_checks import find_image_faults
from mlptrain.datasets import DataSettings
from mlptrain.formatting import typed_override
from mlptrain.store.heartbeat import claim
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import write_hydra
from mlptrain.training.views.plain import View


def train_once(composed: Composed, command: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Train a checked config in a new folder below its `output_root`.

    Returns:
        The run's folder, and the content of its `metrics.json`.

    Raises:
        MlptrainError: the folder cannot be made, or the run failed.
        Interrupted: a signal came; the run can be resumed.
    """
    config = composed.config
    check_installed(config.logger)
    output_root = Path(config.output_root)

    from mlptrain.model.process import check_machine
    from mlptrain.training.run import finish_run
    from mlptrain.training.views import make_view

    view = make_view(config.runtime.progress)
    dataset = load_first(config.data, view)
    check_machine([config.runtime])
    folder = RunFolder.create(output_root, config_hash(config))
    folder.point_latest(output_root)
    write_hydra(folder, config, composed.overrides, composed.hydra_yaml())
    view.message("importing TensorFlow")
    with claim(folder.path):
        return folder.path, finish_run(config, folder, view, command, dataset=dataset)


def load_first(data: DataSettings, view: View) -> Dataset | None:
    """Load images that are the user's own: what is wrong with them is said before a run begins.

    A line names the faults that `mlptrain data check` finds among the pixels.

    Raises:
        ConfigError, DataError: they cannot be read, or have changed.
    """
    if not data.belongs_to_user:
        return None
    dataset = data.load(view.message)
    if faults := find_image_faults(dataset):
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
