"""What can be wrong with a data set before anything is trained on it."""

from collections.abc import Iterable, Iterator

import numpy as np

from mlptrain.data.dataset import Dataset
from mlptrain.data.source_images import SourceImages
from mlptrain.data_checks.classes import find_imbalance, find_missing_classes
from mlptrain.data_checks.image_list import SPLITS, ImageList, listing
from mlptrain.data_checks.labels import HeldOut, find_mislabeled
from mlptrain.data_checks.pixels import PixelFacts, find_blank, find_duplicates
from mlptrain.data_checks.sizes import find_size_mismatch
from mlptrain.data_checks.thresholds import Command
from mlptrain.finding import SEVERITIES, Finding

__all__ = ["ImageList", "check_data", "find_image_faults"]


def check_data(images: ImageList, held_out: HeldOut, command: Command) -> list[Finding]:
    """Return what is wrong with a data set, the most severe first."""
    facts = PixelFacts.of(images)
    return _by_severity(
        [
            *_find_unreadable(images, command),
            *find_missing_classes(images),
            *find_duplicates(images, facts),
            *find_blank(images, facts),
            *find_mislabeled(images, held_out),
            *find_imbalance(images, command),
            *find_size_mismatch(images, command),
        ]
    )


def find_image_faults(dataset: Dataset) -> list[Finding]:
    """Return what is wrong with the pixels of images that have been loaded for training."""
    parts = {split: getattr(dataset, split) for split in SPLITS}
    source = SourceImages(
        images={split: part.images for split, part in parts.items()},
        labels={split: part.labels for split, part in parts.items()},
        arrays={split: split for split in parts},
    )
    positions = {
        split: first + np.arange(len(parts[split]))
        for split, first in source.first_positions().items()
    }
    images = ImageList.of(source, positions, dataset.class_names)
    facts = PixelFacts.of(images)
    return _by_severity([*find_duplicates(images, facts), *find_blank(images, facts)])


def _find_unreadable(images: ImageList, command: Command) -> Iterator[Finding]:
    if faults := images.source.unreadable:
        yield Finding(
            "unreadable_images",
            "high",
            f"{len(faults):,} image {'file' if len(faults) == 1 else 'files'} cannot be read, and "
            "training refuses to begin. Repair or remove them, or leave them out.",
            listing("images", [{"file": file, "reason": text} for file, text in faults.items()]),
            (command("data.skip_unreadable=true"),),
        )


def _by_severity(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
