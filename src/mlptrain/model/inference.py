"""Finished runs as classifiers of raw images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mlptrain.config.schema import Config, Data
from mlptrain.config.validation import validate
from mlptrain.data.cifar10 import CLASS_NAMES
from mlptrain.data.dataset import Dataset, load_dataset
from mlptrain.data.images import load_labelled
from mlptrain.errors import DataError, RunFolderError, UsageError, printable
from mlptrain.reports.runs import read_run
from mlptrain.runs.folder import RunFolder

_BATCH = 1_000


class Models:
    """The models of some runs, loaded once.

    Args:
        paths: run folders.
        say: receives one line for each thing worth telling.

    Raises:
        RunFolderError: a run is not finished, or its model cannot be read.
    """

    class_names = CLASS_NAMES

    def __init__(self, paths: Sequence[Path], say: Callable[[str], None]) -> None:
        if not paths:
            raise UsageError("at least one run", "none", "such as outputs/latest")
        self._say = say
        self.configs: list[Config] = []
        folders = []
        for path in paths:
            run = read_run(RunFolder.open(path).path)
            if run.facts.status != "finished":
                raise RunFolderError(
                    "a finished run", f"{path}, which is {run.facts.status}", "train it to its end"
                )
            self.configs.append(validate(run.facts.config))
            folders.append(run.path)
        from mlptrain.training.process import prepare_to_read

        prepare_to_read(self.configs[0].runtime)
        from mlptrain.model.saved import load_classifier

        self._classifiers = [
            load_classifier(folder, config)
            for folder, config in zip(folders, self.configs, strict=True)
        ]

    def images(self, source: str) -> tuple[np.ndarray, np.ndarray]:
        """A split of the first run's data set, or images from elsewhere; see `load_labelled`.

        Raises:
            DataError: the images cannot be had.
        """
        if source in ("train", "validation", "test"):
            split = getattr(load_own_copy(self.configs[0].data, self._say), source)
            if not len(split):
                raise DataError(
                    f"images in {source}",
                    "none: the run was trained with data.validation_fraction=0",
                    "give --data train, test, or images of your own",
                )
            return split.images, split.labels
        return load_labelled(source, self.class_names)

    def probabilities(self, number: int, images: np.ndarray) -> np.ndarray:
        """Class probabilities float32 (n, 10) of one model for uint8 (n, 32, 32, 3)."""
        # Not `predict`: its input pipeline costs more than the model.
        pieces = [images[first : first + _BATCH] for first in range(0, len(images), _BATCH)]
        own = self._classifiers[number]
        return np.concatenate([own.predict_on_batch(piece) for piece in pieces])


def load_own_copy(data: Data, say: Callable[[str], None]) -> Dataset:
    """This machine's copy of the data set that a config names.

    The config may be a stranger's, so `data.path` is not followed. Nothing is lost: whatever stood
    there had to be the official bytes, and these are the same.

    Raises:
        DataError: there is no copy, and none could be fetched.
    """
    try:
        return load_dataset(data.model_copy(update={"path": None}), say)
    except DataError as error:
        if data.path is None:
            raise
        raise DataError(
            error.expected,
            f"{error.received}\n    - data.path of the config ({printable(data.path)}) is not "
            "read: the run may be a stranger's",
            f"{error.action}, or give images with --data PATH",
        ) from None
