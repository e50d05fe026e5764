"""The images of a source as it has them, before they are ordered and cut into splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class SourceImages:
    """Images with their places at the source.

    A *position* counts the images of all parts, one part after another.

    Attributes:
        images: part of the source → uint8 (n, side, side, 3). There is always `train`, and
            `validation` and `test` where the source has them.
        labels: part → uint8 (n,).
        arrays: part → the name of the array that holds its images; empty where they are files.
        files: part → the file of each image, relative to the folder; empty where they are arrays.
        unreadable: file → why it cannot be read, of those that are left out.
        sizes: part → rows and columns of its images before resizing, where all have the same.
    """

    images: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    arrays: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def first_positions(self) -> dict[str, int]:
        """Return the position of the first image of each part."""
        return first_positions(self.labels)

    def all_labels(self) -> np.ndarray:
        """Return the label of every position, uint8 (n,)."""
        return np.concatenate(list(self.labels.values()))

    def place(self, position: int) -> dict[str, Any]:
        """Return what a person finds an image by: its `file`, or its `array` and `index`."""
        part, first = max(
            (item for item in self.first_positions().items() if item[1] <= position),
            key=lambda item: item[1],
        )
        if self.files:
            return {"file": self.files[part][position - first]}
        return {"array": self.arrays[part], "index": int(position - first)}


def first_positions(labels: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return part → the position of its first image, from the labels of each part."""
    firsts, total = {}, 0
    for part, of_part in labels.items():
        firsts[part] = total
        total += len(of_part)
    return firsts
