"""The images of a data set as the checks see them: pixels, labels, splits, names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlptrain.data.source_images import SourceImages

SPLITS = ("train", "validation", "test")
MOST_LISTED = 1_000
"""Images, or groups of equal images, that a finding names one by one."""

_BLOCK = 1_000
"""Images whose pixels are worked on at a time."""


def listing(key: str, items: Sequence[Any], count: int | None = None) -> dict[str, Any]:
    """Return as evidence the first `MOST_LISTED` items, and how many images there are in all.

    Args:
        key: under which they stand.
        items: entries of images, or groups of them.
        count: of images; None for as many as items.
    """
    more = {f"{key}_not_listed": len(items) - MOST_LISTED} if len(items) > MOST_LISTED else {}
    return {"count": len(items) if count is None else count, key: items[:MOST_LISTED], **more}


@dataclass(frozen=True)
class ImageList:
    """All images of a source, with the split that each belongs to.

    Attributes:
        source: the images and their places.
        class_names: of class 0, 1, …
        labels: uint8 (n,), by position.
        splits: int8 (n,), indices of `SPLITS`; -1 for images that `data.limit` leaves out.
        original: rows and columns before resizing, int (n, 2); None where nothing is resized.
    """

    source: SourceImages
    class_names: Sequence[str]
    labels: np.ndarray
    splits: np.ndarray
    original: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        source: SourceImages,
        positions: dict[str, np.ndarray],
        class_names: Sequence[str],
        original: np.ndarray | None = None,
    ) -> ImageList:
        """Return the list from the positions of the images of each split."""
        labels = source.all_labels()
        splits = np.full(len(labels), -1, np.int8)
        for number, split in enumerate(SPLITS):
            splits[positions[split]] = number
        return cls(source, class_names, labels, splits, original)

    @property
    def used(self) -> np.ndarray:
        """The positions of the images that belong to a split, ascending."""
        return np.flatnonzero(self.splits >= 0)

    @property
    def side(self) -> int:
        """Rows and columns of every image."""
        return int(self.source.images["train"].shape[1])

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the position of the first image of each block, and the block's images."""
        start = 0
        for images in self.source.images.values():
            for first in range(0, len(images), _BLOCK):
                yield start + first, images[first : first + _BLOCK]
            start += len(images)

    def counts(self) -> dict[str, np.ndarray]:
        """Return split → number of images of class 0, 1, …"""
        number = len(self.class_names)
        return {
            split: np.bincount(self.labels[self.splits == index], minlength=number)
            for index, split in enumerate(SPLITS)
        }

    def entry(self, position: int) -> dict[str, Any]:
        """Return what a finding says of one image: its place, split and class."""
        return {
            **self.source.place(position),
            "split": SPLITS[self.splits[position]],
            "class": self.class_names[self.labels[position]],
        }

    def entries(self, positions: Sequence[int] | np.ndarray) -> list[dict[str, Any]]:
        """Return the entries of several images."""
        return [self.entry(int(position)) for position in positions]
