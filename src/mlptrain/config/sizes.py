"""How many images, steps and parameters there are: known from the config alone."""

from __future__ import annotations

from math import prod

from mlptrain.config.schema import Config, Data, ImageInventory, OwnImages

SIDE = 32
"""Pixels in a row and in a column of CIFAR-10's images."""

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

IMAGES = {"cifar10": (50_000, 10_000), "cifar10_mini": (2_000, 500)}
"""name → (training, test) images of the source, before `data.limit`."""


def image_shape(data: Data) -> tuple[int, int, int]:
    """Return rows, columns and channels of every image."""
    side = data.image_size if isinstance(data, OwnImages) else SIDE
    return side, side, 3


def features(data: Data) -> int:
    """Return the number of values in an image."""
    return prod(image_shape(data))


def class_names(data: Data) -> tuple[str, ...]:
    """Return the names of class 0, 1, …"""
    return tuple(inventory_of(data).classes) if isinstance(data, OwnImages) else CIFAR10_CLASSES


def inventory_of(data: OwnImages) -> ImageInventory:
    """Return the inventory that own images had when the config was composed.

    Raises:
        ValueError: it is missing, which validation refuses.
    """
    if data.inventory is None:
        raise ValueError("a config without data.inventory")
    return data.inventory


def source_sizes(data: Data) -> tuple[int, int]:
    """Return the number of (training, test) images before `data.limit`.

    Where own images come without a test set, it is the share `test_fraction` of all.
    """
    if not isinstance(data, OwnImages):
        return IMAGES[data.name]
    inventory = inventory_of(data)
    if inventory.test:
        return inventory.train, inventory.test
    test = int(round(inventory.train * data.test_fraction, 6))
    return inventory.train - test, test


def split_sizes(data: Data) -> dict[str, int]:
    """Return the number of images in `train`, `validation` and `test`.

    `limit` keeps the first images of the training and of the test set; validation is then the
    first `validation_fraction` of the training set, as in the study.
    """
    train, test = source_sizes(data)
    if data.limit is not None:
        train, test = min(train, data.limit), min(test, data.limit)
    # Rounded first: 0.29 * 100 is 28.999… in binary floating point.
    validation = int(round(train * data.validation_fraction, 6))
    return {"train": train - validation, "validation": validation, "test": test}


def steps_per_epoch(config: Config) -> int:
    """Return the optimizer steps in an epoch; the last batch may be smaller, as in Keras."""
    return -(-split_sizes(config.data)["train"] // config.train.batch_size)


def parameter_count(config: Config) -> int:
    """Return how many parameters Keras counts in the net."""
    return config.model.count_parameters(features(config.data), len(class_names(config.data)))
