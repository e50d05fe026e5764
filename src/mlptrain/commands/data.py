"""`mlptrain data fetch | verify | show`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlptrain.data.cifar10 import TEST_FILE, TRAIN_FILES
from mlptrain.errors import DataError


def fetch() -> None:
    """Make sure that the cache holds the six verified files.

    Raises:
        DataError: no source worked; each is named with its reason.
    """
    from mlptrain.data.sources import fetch_cifar10

    folder = fetch_cifar10(print)
    print(f"CIFAR-10 is complete and verified in {folder}")


def verify() -> None:
    """Print the state of every cached file.

    Raises:
        DataError: a file is missing or damaged.
    """
    from mlptrain.data.cache import verify_cache

    state = verify_cache()
    for name in (*TRAIN_FILES, TEST_FILE):
        print(f"{name:<20} {state.damaged.get(name, 'verified')}")
    if state.damaged:
        raise DataError(
            f"six verified files in {state.folder}",
            f"{len(state.damaged)} missing or damaged",
            "`mlptrain data fetch` gets them again",
        )


def show(words: Sequence[str], output: Path) -> None:
    """Draw sixteen training images with their class names, and print the split sizes."""
    from mlptrain.config.compose import compose
    from mlptrain.data.dataset import load_dataset
    from mlptrain.reports.artifacts import write_picture
    from mlptrain.reports.figures import sample_grid

    dataset = load_dataset(compose(words).config.data, print)
    figure = sample_grid(dataset.train.images[:16], dataset.train.labels[:16], dataset.class_names)
    write_picture(output, figure)
    print(f"{dataset.name} ({dataset.source})")
    for split, size in dataset.sizes().items():
        print(f"{split:<12}{size:>7,} images")
    print(f"sample grid  {output}")
