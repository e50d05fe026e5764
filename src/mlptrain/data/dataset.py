"""The three splits of a data set in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Split:
    """Images uint8 (n, side, side, 3) and their labels uint8 (n,)."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """The three splits and where they come from.

    Attributes:
        name: `data.name` of the config.
        source: where the bytes were found, for people.
        checksum: SHA-256 of the source, whatever way it came.
    """

    name: str
    source: str
    checksum: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def sizes(self) -> dict[str, int]:
        """Return the number of images in each split."""
        return {
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
        }
