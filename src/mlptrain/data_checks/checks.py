"""All checks of a data set, the most severe finding first."""

from __future__ import annotations

from mlptrain.data_checks.classes import find_imbalance, find_missing_classes
from mlptrain.data_checks.finding import SEVERITIES, DataFinding, listing
from mlptrain.data_checks.image_list import ImageList
from mlptrain.data_checks.labels import HeldOut, find_mislabeled
from mlptrain.data_checks.pixels import PixelFacts, find_blank, find_duplicates
from mlptrain.data_checks.sizes import find_size_mismatch


def check_data(images: ImageList, held_out: HeldOut, command: str) -> list[DataFinding]:
    """Return what is wrong with a data set, the most severe first.

    Args:
        images: the images of all splits.
        held_out: what models predict that did not train on the images.
        command: that trains on them, for the commands to try.
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


def _find_unreadable(images: ImageList, command: str) -> list[DataFinding]:
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
            (f"{command} data.skip_unreadable=true",),
        )
    ]


def by_severity(findings: list[DataFinding]) -> list[DataFinding]:
    """Return findings with the most severe first; equally severe ones keep their order."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
