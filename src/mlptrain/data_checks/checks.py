"""All checks of a data set, the most severe finding first."""

from __future__ import annotations

import numpy as np

from mlptrain.data.dataset import Dataset
from mlptrain.data.source_images import SourceImages
from mlptrain.data_checks.classes import find_imbalance, find_missing_classes
from mlptrain.data_checks.finding import SEVERITIES, Command, DataFinding, listing
from mlptrain.data_checks.image_list import SPLITS, ImageList
from mlptrain.data_checks.labels import HeldOut, find_mislabeled
from mlptrain.data_checks.pixels import PixelFacts, find_blank, find_duplicates
from mlptrain.data_checks.sizes import find_size_mismatch


def check_data(images: ImageList, held_out: HeldOut, command: Command) -> list[DataFinding]:
    """Return what is wrong with a data set, the most severe first.

    Args:
        images: the images of all splits.
        held_out: what models predict that did not train on the images.
        command: gives the command that trains on them with an override.
    """
    facts = PixelFacts.of(images)
    findings = [
        *_find_unreadable(images, command),
        *find_missing_classes(images),
        *find_duplicates(images, facts),
        *find_blank(images, facts),
        *find_mislabeled(images, held_out),
        *find_imbalance(images, command),
        *find_size_mismatch(images, command),
    ]
    return by_severity(findings)


def find_image_faults(dataset: Dataset) -> list[DataFinding]:
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
    return by_severity([*find_duplicates(images, facts), *find_blank(images, facts)])


def _find_unreadable(images: ImageList, command: Command) -> list[DataFinding]:
    faults = images.source.unreadable
    if not faults:
        return []
    listed = [{"file": file, "reason": reason} for file, reason in faults.items()]
    return [
        DataFinding(
            "unreadable_images",
            "high",
            f"{len(faults):,} image {'file' if len(faults) == 1 else 'files'} cannot be read, and "
            "training refuses to begin. Repair or remove them, or leave them out.",
            {"count": len(faults), **listing("images", listed)},
            (command("data.skip_unreadable=true"),),
        )
    ]


def by_severity(findings: list[DataFinding]) -> list[DataFinding]:
    """Return findings with the most severe first; equally severe ones keep their order."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
