"""The three splits of a data set in memory."""

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
        return {split: len(part) for split, part in self._parts().items()}

    def class_counts(self) -> dict[str, list[int]]:
        """Return split → number of images of class 0, 1, …"""
        number = len(self.class_names)
        return {
            split: [int(count) for count in np.bincount(part.labels, minlength=number)]
            for split, part in self._parts().items()
        }

    def guessing(self) -> dict[str, float]:
        """Return the accuracy of always guessing the most frequent class of train, by split."""
        counts = self.class_counts()
        guess = int(np.argmax(counts["train"]))
        return {
            split: part[guess] / sum(part)
            for split, part in counts.items()
            if split != "train" and sum(part) > 0
        }

    def class_summary(self) -> str:
        """Return the number of classes, the images of each, and what they can mislead about."""
        counts = self.class_counts()
        low, high = min(counts["train"]), max(counts["train"])
        each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        parts = [f"{len(self.class_names)}, {each} training images each"]
        guesses = [f"{split} {100 * share:.1f} %" for split, share in self.guessing().items()]
        if guesses:
            parts.append(f"guessing the most frequent one: {', '.join(guesses)}")
        for split, part in counts.items():
            missing = [n for n, count in zip(self.class_names, part, strict=True) if not count]
            if 0 < len(missing) < len(part):
                more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
                parts.append(f"no {split} images of {', '.join(missing[:5])}{more}")
        return "; ".join(parts)

    def _parts(self) -> dict[str, Split]:
        return {"train": self.train, "validation": self.validation, "test": self.test}
