"""Images that show nothing, and images that are equal pixel for pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlptrain.data_checks.image_list import SPLITS, ImageList, listing
from mlptrain.data_checks.thresholds import limit, severity_of
from mlptrain.finding import Finding
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


def find_blank(images: ImageList, facts: PixelFacts) -> Iterator[Finding]:
    """Yield findings about images that show nothing."""
    for name, flags, text in (
        ("nearly_black_images", facts.is_black, "nearly black"),
        ("nearly_constant_images", facts.is_constant, "of nearly one color"),
    ):
        positions = [int(p) for p in images.used if flags[p]]
        if not positions:
            continue
        share = len(positions) / len(images.used)
        verb, pronoun = ("is", "it") if len(positions) == 1 else ("are", "them")
        yield Finding(
            name,
            severity_of(share),
            f"{len(positions):,} of {len(images.used):,} images {verb} {text}: nothing can be "
            f"learned from {pronoun}. Check how they were made, or remove them.",
            {"share": share, **listing("images", images.entries(positions))},
        )


def find_duplicates(images: ImageList, facts: PixelFacts) -> Iterator[Finding]:
    """Yield findings about equal images; those that show nothing are left to `find_blank`."""
    plain = facts.is_black | facts.is_constant
    positions = [int(p) for p in images.used if not plain[p]]
    groups = _equal(positions, lambda p: facts.digests[p])
    yield from _find_conflicting(images, [g for g in groups if len(set(images.labels[g])) > 1])
    of_label = [same for group in groups for same in _equal(group, lambda p: images.labels[p])]
    yield from _find_across(images, [g for g in of_label if len(set(images.splits[g])) > 1])
    within = [same for group in of_label for same in _equal(group, lambda p: images.splits[p])]
    if within:
        copies = sum(len(group) - 1 for group in within)
        share = copies / len(images.used)
        yield Finding(
            "duplicates_within",
            severity_of(share),
            f"{copies:,} {'copy repeats' if copies == 1 else 'copies repeat'} an image of the same "
            "split and class pixel for pixel, which gives it more weight than others have. Keep "
            "one of each.",
            {"share": share, **_listing(images, within, copies)},
        )


def _find_conflicting(images: ImageList, groups: list[list[int]]) -> Iterator[Finding]:
    if groups:
        number = sum(map(len, groups))
        share = number / len(images.used)
        yield Finding(
            "conflicting_labels",
            "high" if share >= limit("leaked_share") else "medium",
            f"{number:,} images are equal pixel for pixel to one of another class, so at least one "
            "label of each group is wrong. Correct the labels, or remove the images.",
            {"share": share, **_listing(images, groups, number)},
        )


def _find_across(images: ImageList, groups: list[list[int]]) -> Iterator[Finding]:
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
    if repeated:
        parts = [quantity(int(part["count"]), f"{split} image") for split, part in repeated.items()]
        worst = max(part["share"] for part in repeated.values())
        number = sum(int(part["count"]) for part in repeated.values())
        yield Finding(
            "duplicates_across_splits",
            "high" if worst >= limit("leaked_share") else "medium",
            f"Pixel for pixel, another split has {' and '.join(parts)} too, so accuracy there is "
            "partly of images that were trained on. Keep each image in one split.",
            {"repeated": repeated, **_listing(images, groups, number)},
        )


def _equal(positions: list[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    """Return the groups of two or more positions with the same key, in the order of positions."""
    groups: dict[Hashable, list[int]] = {}
    for position in positions:
        groups.setdefault(key(position), []).append(position)
    return [group for group in groups.values() if len(group) > 1]


def _listing(images: ImageList, groups: list[list[int]], count: int) -> dict[str, Any]:
    content = listing("groups", groups, count)
    return {**content, "groups": [images.entries(group) for group in content["groups"]]}
