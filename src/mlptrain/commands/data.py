"""`mlptrain data fetch | verify | show | check`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlptrain.commands._options import form_among, overrides
from mlptrain.errors import printable

if TYPE_CHECKING:
    import numpy as np

    from mlptrain.config.command_line import CommandLine
    from mlptrain.config.schema import Config
    from mlptrain.data.dataset import Split

app = typer.Typer(
    name="data", help="Get CIFAR-10, verify it, look at sample images, and check a data set."
)
_EPOCHS = 3
"""Number of rows of augmented images that `show` draws."""


@app.command(help="Get CIFAR-10 into the cache and verify it byte for byte.")
def fetch() -> None:
    """Make sure that the cache holds the six verified files."""
    from mlptrain.data.sources import fetch_cifar10

    folder = fetch_cifar10(print)
    print(f"CIFAR-10 is complete and verified in {folder}")


@app.command(help="Check the cached CIFAR-10 against its known hashes.")
def verify() -> None:
    """Print the state of every cached file."""
    from mlptrain.data.cache import cache_folder
    from mlptrain.data.cifar10 import RECORD_SHA1, damaged_records
    from mlptrain.errors import DataError
    from mlptrain.formatting import quantity

    damaged = damaged_records(cache_folder())
    for name in RECORD_SHA1:
        print(f"{name:<20} {damaged.get(name, 'verified')}")
    if damaged:
        raise DataError(
            f"six verified files in {cache_folder()}",
            f"{quantity(len(damaged), 'missing or damaged file')}",
            "`mlptrain data fetch` gets them again",
        )


@app.command(help="Draw a grid of sample images of a data set.")
def show(
    arguments: Annotated[
        list[str] | None,
        overrides(
            "Overrides as for training, such as data=cifar10_mini; with an augmentation, "
            f"{_EPOCHS} epochs of it are drawn too."
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

    from mlptrain.figures import sample_grid
    from mlptrain.figures.artifacts import write_picture

    line, config = _composed(arguments or [])
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


@app.command(help="Look for faults in a data set before training on it.")
def check(
    arguments: Annotated[
        list[str] | None,
        overrides("Overrides as for training, such as data=folder data.path=photos."),
    ] = None,
    form: Annotated[str, form_among("text", "json")] = "text",
) -> None:
    """Print every fault of the images and labels, with the images by name."""
    from mlptrain.data_checks import ImageList, check_data
    from mlptrain.data_checks.text import data_record, findings_text
    from mlptrain.errors import DataError
    from mlptrain.reports.held_out import collect_held_out

    typed = list(arguments or [])
    _, config = _composed(typed)
    data = config.data
    say = partial(print, file=sys.stderr)
    try:
        source = data.read_source(say)
    except DataError:
        if getattr(data, "skip_unreadable", True):
            raise
        # A file that cannot be read is one of the faults to report, beside the others.
        _, config = _composed([*typed, "data.skip_unreadable=true"])
        data = config.data
        source = data.read_source(lambda line: None)
    images = ImageList.of(
        source, data.split_positions(source.labels), data.class_names(), data.original_sizes(source)
    )
    held_out = collect_held_out(Path(config.output_root), data, source)
    findings = check_data(images, held_out, partial(_training_command, typed))
    if form == "json":
        content = {
            "data": data_record(data, images),
            "judged_labels": {"images": len(held_out.positions), "runs": held_out.runs},
            "findings": [finding.record() for finding in findings],
        }
        print(json.dumps(content, indent=2))
    else:
        print(printable(findings_text(data, images, held_out, findings), keep="\n"))


def _training_command(typed: Sequence[str], override: str) -> str:
    """Return the command that trains with an override, which replaces one of the same key."""
    key = override.partition("=")[0]
    others = [text for text in typed if text.partition("=")[0] != key]
    return shlex.join(["mlptrain", *others, override])


def _composed(arguments: Sequence[str]) -> tuple[CommandLine, Config]:
    """Compose a config whose images are only looked at."""
    from mlptrain.config.command_line import CommandLine
    from mlptrain.config.compose import compose_one

    line = CommandLine.parse(arguments, command="data show")
    return line, compose_one(line, to_train=False).config


def _augmented(config: Config, train: Split, images: np.ndarray) -> list[np.ndarray]:
    """Return the images as the first epochs train on them."""
    from mlptrain.data.scaling import unit_in_raw
    from mlptrain.model.process import prepare

    prepare(config.runtime)
    from mlptrain.training.augmentation import preview

    spread = unit_in_raw(config.data.scaling, train.images)
    return [preview(images, config, spread, epoch) for epoch in range(1, _EPOCHS + 1)]
