"""`mlptrain data fetch | verify | show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlptrain import completion

if TYPE_CHECKING:
    import numpy as np

    from mlptrain.config.schema import Config
    from mlptrain.data.dataset import Split

app = typer.Typer(name="data", help="Get CIFAR-10, verify it, and look at sample images.")
_EPOCHS = 3
"""Number of rows of augmented images that `show` draws."""


@app.command(help="Get CIFAR-10 into the cache and verify it byte for byte.")
def fetch() -> None:
    """Make sure that the cache holds the six verified files.

    Raises:
        DataError: no source worked; each is named with its reason.
    """
    from mlptrain.data.sources import fetch_cifar10

    folder = fetch_cifar10(print)
    print(f"CIFAR-10 is complete and verified in {folder}")


@app.command(help="Check the cached CIFAR-10 against its known hashes.")
def verify() -> None:
    """Print the state of every cached file.

    Raises:
        DataError: a file is missing or damaged.
    """
    from mlptrain.data.cache import cache_folder
    from mlptrain.data.cifar10 import RECORD_SHA1, damaged_records
    from mlptrain.errors import DataError

    damaged = damaged_records(cache_folder())
    for name in RECORD_SHA1:
        print(f"{name:<20} {damaged.get(name, 'verified')}")
    if damaged:
        raise DataError(
            f"six verified files in {cache_folder()}",
            f"{len(damaged)} missing or damaged",
            "`mlptrain data fetch` gets them again",
        )


@app.command(help="Draw a grid of sample images of a data set.")
def show(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Overrides as for training, such as data=cifar10_mini; with an augmentation, "
            f"{_EPOCHS} epochs of it are drawn too.",
            autocompletion=completion.overrides,
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Image file to write.")] = Path(
        "samples.png"
    ),
) -> None:
    """Draw training images with their class names, and print the split sizes.

    Where the overrides name an augmentation, below each image what three epochs make of it.
    """
    import numpy as np

    from mlptrain.config.command_line import CommandLine
    from mlptrain.config.compose import compose_one
    from mlptrain.figures import sample_grid
    from mlptrain.figures.artifacts import write_picture

    # Only looked at: neither a batch size nor a monitor may stand in the way.
    typed = list(arguments or [])
    looking = {"train.batch_size": "1", "callbacks": "none"}
    for key, value in looking.items():
        typed += [f"{key}={value}"] * (not any(text.startswith(key) for text in typed))
    line = CommandLine.parse(typed)
    config = compose_one(line).config
    dataset = config.data.load(print)
    images, labels = dataset.train.images[:16], list(dataset.train.labels[:16])
    names, rows = list(dataset.class_names), 2
    if any(override.key_or_group.startswith("augmentation") for override in line.overrides):
        images, labels, rows = images[:8], labels[:8], 1 + _EPOCHS
        later = _augmented(config, dataset.train, images)
        names += [f"epoch {epoch}" for epoch in range(1, _EPOCHS + 1)]
        for epoch, changed in enumerate(later):
            images = np.concatenate([images, changed])
            labels += [len(dataset.class_names) + epoch] * len(changed)
    write_picture(output, sample_grid(images, labels, names, rows))
    print(f"{dataset.name} ({dataset.source})")
    for split, size in dataset.sizes().items():
        print(f"{split:<12}{size:>7,} images")
    print(f"classes     {dataset.class_summary()}")
    print(f"sample grid  {output}")


def _augmented(config: Config, train: Split, images: np.ndarray) -> list[np.ndarray]:
    """Return the images as the first epochs train on them."""
    from mlptrain.data.scaling import unit_in_raw
    from mlptrain.model.process import prepare

    prepare(config.runtime)
    from mlptrain.training.augmentation import preview

    spread = unit_in_raw(config.data.scaling, train.images)
    return [preview(images, config, spread, epoch) for epoch in range(1, _EPOCHS + 1)]
