"""Finished runs as classifiers of raw images."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mlptrain.config.schema import Config
from mlptrain.config.sizes import scoring_batch
from mlptrain.config.validation import validate
from mlptrain.data.dataset import Dataset
from mlptrain.datasets import DataSettings
from mlptrain.errors import DataError, RunFolderError, UsageError, printable
from mlptrain.formatting import like_command, resume_command
from mlptrain.images.labeled import load_labeled
from mlptrain.store import names
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.runs import read_run


class Models:
    """The models of some runs, loaded once.

    Args:
        paths: run folders.
        say: receives one line for each thing worth telling, such as a download.

    Raises:
        RunFolderError: a run has not finished, or its model cannot be read.
    """

    def __init__(self, paths: Sequence[Path], say: Callable[[str], None]) -> None:
        if not paths:
            raise UsageError("at least one run", "no run", "name one, such as outputs/latest")
        self._say = say
        folders, self.configs = zip(*map(_finished, paths), strict=True)
        first, *others = [config.data for config in self.configs]
        self.class_names, self.side = first.class_names(), first.image_side()
        if any((d.class_names(), d.image_side()) != (self.class_names, self.side) for d in others):
            raise RunFolderError(
                "runs on images of the same size with the same classes",
                f"runs that differ in these from {paths[0]}",
                "evaluate them separately",
            )
        self._folders = folders

    @cached_property
    def _classifiers(self) -> list[Any]:
        """The models; TensorFlow is not imported for images that cannot be read."""
        from mlptrain.model.process import prepare_to_read

        prepare_to_read(self.configs[0].runtime)
        from mlptrain.model.saved import load_classifier

        return list(map(load_classifier, self._folders, self.configs))

    def images(self, source: str, path: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return a split of the first run's data set, or other images; see `load_labeled`.

        Args:
            source: a split, or where the images are.
            path: where the data set of a split is; see `load_own_copy`.

        Returns:
            Images uint8 (n, side, side, 3) and labels uint8 (n,).

        Raises:
            UsageError: a path where the data set needs none, or a split without images.
            DataError: the images cannot be found or read.
        """
        data = self.configs[0].data
        is_split = source in ("train", "validation", "test")
        if path is not None and (not is_split or not data.takes_path):
            raise UsageError(
                "--data-path only with a split of a data set that has a path",
                f"--data {source} --data-path {path}, for a run on data={data.name}",
                "leave out --data-path, or name the images themselves with --data PATH",
            )
        if is_split:
            split = getattr(load_own_copy(data, self._say, path), source)
            if not len(split):
                raise UsageError(
                    f"--data with images, which {source} of this run does not have",
                    f"--data {source}, for a run trained with data.validation_fraction=0",
                    "use --data train, --data test, or your own images",
                )
            return split.images, split.labels
        return load_labeled(source, self.class_names, self.side, self._say)

    def probabilities(self, number: int, images: np.ndarray) -> np.ndarray:
        """Return one model's probabilities float32 (n, classes) for uint8 (n, side, side, 3)."""
        # Not `predict`: its input pipeline costs more than the model.
        size = scoring_batch(self.configs[number])
        pieces = [images[first : first + size] for first in range(0, len(images), size)]
        classifier = self._classifiers[number]
        return np.concatenate([classifier.predict_on_batch(piece) for piece in pieces])


def read_config(path: Path) -> Config:
    """Return the checked config of a finished run.

    Raises:
        RunFolderError: there is no run, or it has not finished.
        ConfigError: its config is not valid in this version.
    """
    return _finished(path)[1]


def _finished(path: Path) -> tuple[Path, Config]:
    run = read_run(RunFolder.open(path).path)
    if run.facts.status != "finished":
        wait = "wait until it has finished"
        action = wait if run.status == "running" else f"resume it first: {resume_command(path)}"
        raise RunFolderError("a finished run", f"{path}, which is {run.status}", action)
    if not (run.path / names.MODEL).is_file():
        raise RunFolderError(
            f"a run with its model, {names.MODEL}",
            f"{path}, which has none (artifacts={run.facts.config.get('artifacts')})",
            f"train it again with the model: {like_command(path)} artifacts=full",
        )
    return run.path, validate(run.facts.config)


def load_own_copy(
    data: DataSettings, say: Callable[[str], None], path: str | None = None
) -> Dataset:
    """Load this machine's copy of the data set that a config names.

    The config may be untrusted, so its `data.path` is not followed. For CIFAR-10 this loses
    nothing: only the official bytes are accepted anyway. The user says where own images are.

    Args:
        data: of the config.
        say: receives one line for each thing worth telling, such as a download.
        path: where the data set is, as the user typed it.

    Raises:
        DataError: there is no copy, and none could be fetched.
    """
    try:
        return data.model_copy(update={"path": path}).load(say)
    except DataError as error:
        if data.path is None or path is not None:
            raise
        raise DataError(
            error.expected,
            f"{error.received}\n    - data.path of the config ({printable(data.path)}) is not "
            "read: the run may be untrusted",
            f"{error.action}, or name images with --data PATH",
        ) from None
