"""Two runs image by image, from their saved predictions."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlptrain.errors import RunFolderError
from mlptrain.reports.comparison import Configuration
from mlptrain.reports.statistics import mcnemar
from mlptrain.store.predictions import Results, read_results
from mlptrain.store.runs import SPLITS, Run

MOST_SEEDS = 10
"""Of two configurations that are compared image by image."""


@dataclass(frozen=True)
class ImageByImage:
    """Two runs on the same test images.

    Attributes:
        only_first: images that only the first gets right.
        only_second: images that only the second gets right.
        of: test images.
        p: of McNemar's exact test.
    """

    only_first: int
    only_second: int
    of: int
    p: float


def image_by_image(first: Run, second: Run) -> ImageByImage:
    """Return McNemar's test of two runs' saved predictions.

    Raises:
        RunFolderError: they saw other data or another split, or a file cannot be read;
            `received` says so in one line.
    """
    if _images_of(first) is None or _images_of(first) != _images_of(second):
        raise _wrong("the runs were trained on other data or another split")
    one, other = _of(first), _of(second)
    if not len(one.labels) or not np.array_equal(one.labels, other.labels):
        raise _wrong("the two files are not of the same test images")
    only_first, only_second, p = mcnemar(one.right, other.right)
    return ImageByImage(only_first, only_second, len(one.labels), p)


def by_seed(first: Configuration, second: Configuration) -> dict[str, Any]:
    """Compare two configurations image by image, for each seed that both have.

    Returns:
        `seeds`, each with `seed` and what `ImageByImage` has, and `notes` that say what was
        left out and why.
    """
    others = {run.block: run for run in second.runs}
    shared = [run for run in first.runs if run.block in others]
    notes = [] if shared else ["they have no seed in common"]
    if len(shared) > MOST_SEEDS:
        notes.append(f"all but the first {MOST_SEEDS} of {len(shared)} seeds")
    seeds = []
    for run in shared[:MOST_SEEDS]:
        seed = run.facts.seed
        try:
            seeds.append({"seed": seed, **asdict(image_by_image(run, others[run.block]))})
        except RunFolderError as error:
            notes.append(f"seed {seed}: {error.received}")
    return {"seeds": seeds, "notes": notes}


def _images_of(run: Run) -> tuple[object, ...] | None:
    """Return the data's checksum and the split's sizes; None where `run.json` lacks them."""
    data = run.facts.data or {}
    checksum, sizes = data.get("checksum"), data.get("sizes")
    if not isinstance(checksum, str) or not isinstance(sizes, dict):
        return None
    counts = [sizes.get(split) for split in SPLITS]
    return (checksum, *counts) if all(isinstance(n, int) for n in counts) else None


def _of(run: Run) -> Results:
    try:
        return read_results(run, "test")
    except RunFolderError as error:
        raise _wrong(f"{run.path.name}: {error.received}") from None


def _wrong(reason: str) -> RunFolderError:
    return RunFolderError("predictions of the same images", reason, "leave the run out")
