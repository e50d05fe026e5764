"""A user's own images in memory: from a folder of classes, or from an `.npz`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlptrain.config.schema import OwnImages
from mlptrain.config.sizes import inventory_of, source_sizes
from mlptrain.data.arrays import ImageArrays, aligned_empty
from mlptrain.data.shared import shared_images
from mlptrain.errors import DataError
from mlptrain.images.files import as_images, load_image
from mlptrain.images.inventory import list_folder, read_npz, take_inventory


def load_own(data: OwnImages) -> ImageArrays:
    """Read, resize and shuffle the images; a sweep does it once for all its workers.

    The order is drawn once and for all, whatever the run's seed: files come class by class, and
    validation is the first part of train. Where there is no test set, it is the last images.

    Raises:
        ConfigError: there are none at `data.path`.
        DataError: they are no longer those that the config was composed with, or cannot be read.
    """
    inventory = inventory_of(data)
    if data.path is None:
        raise DataError(
            "the images that the run was trained on", "no path to them", "give --data-path PATH"
        )
    now = take_inventory(data.name, data.path)
    if differing := [key for key, value in inventory if now[key] != value]:
        raise DataError(
            f"the images at data.path={data.path} as they were when the config was composed",
            f"images whose {' and '.join(differing)} have changed",
            "bring them back, or take them as they are now with data.inventory=null",
        )
    path = Path(data.path).expanduser()
    name = f"own-{inventory.checksum}-{data.image_size}-{data.test_fraction}"
    return shared_images(name, lambda: _read(data, path))


def _read(data: OwnImages, path: Path) -> ImageArrays:
    side = data.image_size
    if data.name == "folder":
        listed = list_folder(path)
        files = [*listed.train, *listed.test]
        images = np.empty((len(files), side, side, 3), np.uint8)
        for place, (file, _) in zip(images, files, strict=True):
            place[:] = load_image(file, side)
        labels = np.array([label for _, label in files], np.uint8)
    else:
        arrays = read_npz(path)
        parts = [part for part in ("train", "test") if f"{part}_images" in arrays]
        images = np.concatenate([as_images(arrays[f"{part}_images"], side) for part in parts])
        labels = np.concatenate([arrays[f"{part}_labels"] for part in parts]).astype(np.uint8)
    train, _ = source_sizes(data)
    mixed = inventory_of(data).train
    first = np.random.default_rng(0).permutation(mixed)
    order = np.concatenate([first, np.arange(mixed, len(labels))])
    result = ImageArrays(
        train_images=aligned_empty((train, side, side, 3), np.uint8),
        train_labels=labels[order[:train]],
        test_images=images[order[train:]],
        test_labels=labels[order[train:]],
    )
    result.train_images[:] = images[order[:train]]
    return result
