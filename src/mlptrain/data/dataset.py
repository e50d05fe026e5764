"""A source of images, split as the study does it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlptrain.config.schema import Data, OwnImages
from mlptrain.config.sizes import class_names, inventory_of, split_sizes
from mlptrain.data.arrays import ImageArrays
from mlptrain.data.cifar10 import DATASET_CHECKSUM
from mlptrain.data.shared import shared_images
from mlptrain.errors import DataError


@dataclass(frozen=True)
class Split:
    """Images uint8 (n, side, side, 3) and their labels uint8 (n,)."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """The three splits and where they come from.

    Attributes:
        name: `data.name` of the config.
        source: where the bytes were found, for people.
        checksum: SHA-256 of the source, whatever way it came.
    """

    name: str
    source: str
    checksum: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def sizes(self) -> dict[str, int]:
        """Images in each split."""
        return {
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
        }


def load_dataset(data: Data, say: Callable[[str], None]) -> Dataset:
    """Return the images of `data`, verified and split; validation is the first part of train.

    Args:
        data: the config's data node.
        say: receives one line for each thing worth telling, such as a download.

    Raises:
        DataError: the images could not be found, fetched or verified.
    """
    if isinstance(data, OwnImages):
        from mlptrain.data.own import load_own

        arrays, source, checksum = load_own(data), str(data.path), inventory_of(data).checksum
    elif data.name == "cifar10_mini":
        from mlptrain.data.mini import MINI_CHECKSUM, load_mini

        arrays, source, checksum = load_mini(), "part of the package", MINI_CHECKSUM
    else:
        path = None if data.path is None else _expanded(data.path)
        (arrays, source), checksum = _cifar10(path, say), DATASET_CHECKSUM
    sizes = split_sizes(data)
    first, last = sizes["validation"], sizes["validation"] + sizes["train"]
    images, labels = arrays.train_images, arrays.train_labels
    return Dataset(
        name=data.name,
        source=source,
        checksum=checksum,
        class_names=class_names(data),
        train=Split(images[first:last], labels[first:last]),
        validation=Split(images[:first], labels[:first]),
        test=Split(arrays.test_images[: sizes["test"]], arrays.test_labels[: sizes["test"]]),
    )


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~someone
        raise DataError(
            "a path to CIFAR-10", f"{path}: {error}", "write the path in full"
        ) from None


def _cifar10(path: Path | None, say: Callable[[str], None]) -> tuple[ImageArrays, str]:
    """Return all images and their source; a sweep reads and verifies them once for all workers."""
    sources = ["read once for the sweep"]

    def read() -> ImageArrays:
        from mlptrain.data.sources import locate_cifar10

        located = locate_cifar10(path, say)
        sources.append(located.source)
        return located.arrays

    suffix = "" if path is None else f"-{hashlib.sha256(str(path.absolute()).encode()).hexdigest()}"
    images = shared_images(f"cifar10{suffix}", read)
    return images, sources[-1]
