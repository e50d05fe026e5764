"""Finished runs as classifiers of raw images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mlptrain.config.schema import Config, Data
from mlptrain.config.sizes import class_names, image_shape
from mlptrain.config.validation import validate
from mlptrain.data.dataset import Dataset, load_dataset
from mlptrain.errors import DataError, RunFolderError, UsageError, printable
from mlptrain.images.files import load_labelled
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.runs import read_run

_BATCH = 1_000


class Models:
    """The models of some runs, loaded once.

    Args:
        paths: run folders.
        say: receives one line for each thing worth telling.

    Raises:
        RunFolderError: a run is not finished, or its model cannot be read.
    """

    def __init__(self, paths: Sequence[Path], say: Callable[[str], None]) -> None:
        if not paths:
            raise UsageError("at least one run", "none", "such as outputs/latest")
        self._say = say
        folders, self.configs = zip(*map(_finished, paths), strict=True)
        first, *others = [config.data for config in self.configs]
        self.class_names, self.side = class_names(first), image_shape(first)[0]
        if any(
            (class_names(d), image_shape(d)[0]) != (self.class_names, self.side) for d in others
        ):
            raise RunFolderError(
                "runs on images of the same size with the same classes",
                f"other ones than {paths[0]}",
                "score them apart",
            )
        from mlptrain.model.process import prepare_to_read

        prepare_to_read(self.configs[0].runtime)
        from mlptrain.model.saved import load_classifier

        self._classifiers = [
            load_classifier(folder, config)
            for folder, config in zip(folders, self.configs, strict=True)
        ]

    def images(self, source: str, path: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """A split of the first run's data set, or images from elsewhere; see `load_labelled`.

        Args:
            source: a split, or where the images are.
            path: where the data set of a split stands; see `load_own_copy`.

        Raises:
            UsageError: a path to images that have none.
            DataError: the images cannot be had.
        """
        data = self.configs[0].data
        split_asked = source in ("train", "validation", "test")
        if path is not None and (not split_asked or data.name == "cifar10_mini"):
            raise UsageError(
                "--data-path only for a split of images that stand somewhere",
                f"--data {source} --data-path {path}, of a run on data={data.name}",
                "leave --data-path out, or give the images themselves with --data PATH",
            )
        if split_asked:
            split = getattr(load_own_copy(data, self._say, path), source)
            if not len(split):
                raise DataError(
                    f"images in {source}",
                    "none: the run was trained with data.validation_fraction=0",
                    "give --data train, test, or images of your own",
                )
            return split.images, split.labels
        return load_labelled(source, self.class_names, self.side)

    def probabilities(self, number: int, images: np.ndarray) -> np.ndarray:
        """Class probabilities float32 (n, classes) of one model for uint8 (n, side, side, 3)."""
        # Not `predict`: its input pipeline costs more than the model.
        pieces = [images[first : first + _BATCH] for first in range(0, len(images), _BATCH)]
        own = self._classifiers[number]
        return np.concatenate([own.predict_on_batch(piece) for piece in pieces])


def read_config(path: Path) -> Config:
    """The checked config of a finished run.

    Raises:
        RunFolderError: there is no run, or it is not finished.
        ConfigError: its config is not one of this version.
    """
    return _finished(path)[1]


def _finished(path: Path) -> tuple[Path, Config]:
    run = read_run(RunFolder.open(path).path)
    if run.facts.status != "finished":
        raise RunFolderError(
            "a finished run", f"{path}, which is {run.facts.status}", "train it to its end"
        )
    return run.path, validate(run.facts.config)


def load_own_copy(data: Data, say: Callable[[str], None], path: str | None = None) -> Dataset:
    """This machine's copy of the data set that a config names.

    The config may be a stranger's, so its `data.path` is not followed. Of CIFAR-10 nothing is
    lost: whatever stood there had to be the official bytes. Where own images are, the user says.

    Args:
        data: of the config.
        say: receives one line for each thing worth telling.
        path: where the data set stands, in the user's own words.

    Raises:
        DataError: there is no copy, and none could be fetched.
    """
    try:
        return load_dataset(data.model_copy(update={"path": path}), say)
    except DataError as error:
        if data.path is None or path is not None:
            raise
        raise DataError(
            error.expected,
            f"{error.received}\n    - data.path of the config ({printable(data.path)}) is not "
            "read: the run may be a stranger's",
            f"{error.action}, or give images with --data PATH",
        ) from None
