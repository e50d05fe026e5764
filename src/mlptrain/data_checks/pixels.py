"""Images that show nothing, and images that are equal pixel for pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from mlptrain.data_checks.finding import DataFinding, Severity, limit, listing, severity_of
from mlptrain.data_checks.image_list import SPLITS, ImageList
from mlptrain.formatting import quantity

_DIGEST = 16
"""Bytes: 128 bits, so that equal digests mean equal pixels."""


@dataclass(frozen=True)
class PixelFacts:
    """What one pass over the pixels finds out.

    Attributes:
        digests: of the pixels and nothing else, one for each image.
        is_black: bool (n,), nearly black.
        is_constant: bool (n,), nearly constant and not nearly black.
    """

    digests: list[bytes]
    is_black: np.ndarray
    is_constant: np.ndarray

    @classmethod
    def of(cls, images: ImageList) -> PixelFacts:
        """Look at every image once, block by block."""
        number = len(images.labels)
        digests: list[bytes] = []
        is_black, is_constant = np.zeros(number, bool), np.zeros(number, bool)
        for first, block in images.blocks():
            places = slice(first, first + len(block))
            pixels = np.ascontiguousarray(block).reshape(len(block), -1)
            digests += [
                hashlib.blake2b(image.data, digest_size=_DIGEST).digest() for image in pixels
            ]
            black = (pixels <= limit("black_level")).mean(axis=1)
            is_black[places] = black >= limit("black_share")
            deviation = pixels.reshape(len(block), -1, 3).std(axis=1, dtype=np.float32).max(axis=1)
            is_constant[places] = deviation < limit("constant_deviation")
        return cls(digests, is_black, is_constant & ~is_black)


def find_blank(images: ImageList, facts: PixelFacts) -> list[DataFinding]:
    """Return findings about images that show nothing."""
    kinds = {
        "nearly_black_images": (facts.is_black, "nearly black"),
        "nearly_constant_images": (facts.is_constant, "of nearly one color"),
    }
    findings = []
    for name, (flags, text) in kinds.items():
        positions = [int(p) for p in images.used if flags[p]]
        if positions:
            share = len(positions) / len(images.used)
            is_one = len(positions) == 1
            findings.append(
                DataFinding(
                    name,
                    severity_of(share),
                    f"{len(positions):,} of {len(images.used):,} images "
                    f"{'is' if is_one else 'are'} {text}: nothing can be learned from "
                    f"{'it' if is_one else 'them'}. Check how they were made, or remove them.",
                    {
                        "count": len(positions),
                        "share": share,
                        **listing("images", images.entries(positions)),
                    },
                )
            )
    return findings


def find_duplicates(images: ImageList, facts: PixelFacts) -> list[DataFinding]:
    """Return findings about equal images; those that show nothing are left to `find_blank`."""
    plain = facts.is_black | facts.is_constant
    positions = [int(p) for p in images.used if not plain[p]]
    groups = _equal(positions, lambda p: facts.digests[p])
    conflicting = [group for group in groups if len(set(images.labels[group])) > 1]
    of_label = [same for group in groups for same in _equal(group, lambda p: images.labels[p])]
    across = [group for group in of_label if len(set(images.splits[group])) > 1]
    within = [same for group in of_label for same in _equal(group, lambda p: images.splits[p])]
    return [
        finding
        for finding in (
            _conflicting(images, conflicting),
            _across(images, across),
            _within(images, within),
        )
        if finding is not None
    ]


def _equal(positions: list[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    """Return the groups of two or more positions with the same key, in the order of positions."""
    groups: dict[Hashable, list[int]] = {}
    for position in positions:
        groups.setdefault(key(position), []).append(position)
    return [group for group in groups.values() if len(group) > 1]


def _conflicting(images: ImageList, groups: list[list[int]]) -> DataFinding | None:
    if not groups:
        return None
    number = sum(map(len, groups))
    share = number / len(images.used)
    severity: Severity = "high" if share >= limit("leaked_share") else "medium"
    return DataFinding(
        "conflicting_labels",
        severity,
        f"{number:,} images are equal pixel for pixel to one of another class, so at least one "
        "label of each group is wrong. Correct the labels, or remove the images.",
        {"count": number, "share": share, **_listed(images, groups)},
    )


def _across(images: ImageList, groups: list[list[int]]) -> DataFinding | None:
    if not groups:
        return None
    repeated = {}
    for index, split in enumerate(SPLITS[1:], 1):
        # Of validation and test images, those that stand in an earlier split too.
        count = sum(
            int(np.sum(images.splits[group] == index))
            for group in groups
            if (images.splits[group] < index).any()
        )
        if count:
            repeated[split] = {"count": count, "share": count / int(np.sum(images.splits == index))}
    worst = max(part["share"] for part in repeated.values())
    severity: Severity = "high" if worst >= limit("leaked_share") else "medium"
    parts = [quantity(int(part["count"]), f"{split} image") for split, part in repeated.items()]
    return DataFinding(
        "duplicates_across_splits",
        severity,
        f"Pixel for pixel, another split has {' and '.join(parts)} too, so accuracy there is "
        "partly of images that were trained on. Keep each image in one split.",
        {"repeated": repeated, **_listed(images, groups)},
    )


def _within(images: ImageList, groups: list[list[int]]) -> DataFinding | None:
    if not groups:
        return None
    copies = sum(len(group) - 1 for group in groups)
    share = copies / len(images.used)
    return DataFinding(
        "duplicates_within",
        severity_of(share),
        f"{copies:,} {'copy repeats' if copies == 1 else 'copies repeat'} an image of the same "
        "split and class pixel for pixel, which gives it more weight than others have. Keep one "
        "of each.",
        {"count": copies, "share": share, **_listed(images, groups)},
    )


def _listed(images: ImageList, groups: list[list[int]]) -> dict[str, object]:
    content = listing("groups", groups)
    content["groups"] = [images.entries(group) for group in content["groups"]]
    return content
