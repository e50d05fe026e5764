"""Which images the runs of a comparison get right, read once from their predictions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlptrain.errors import RunFolderError
from mlptrain.store.predictions import read_results
from mlptrain.store.runs import SPLITS, Run

_MOST_UNPACKED = 32 << 20
"""Bytes of probabilities that are unpacked for one report, about 100 runs of CIFAR-10: files of
earlier releases do not hold the predicted classes, and unpacking takes a second for 10 MB."""


_MOST_READ = 2_000
"""Parts of files that are read for one report, of the best configurations first: 3 seconds."""


class ImageResults:
    """Reads which images of a split each run gets right, each file once."""

    def __init__(self) -> None:
        self._unpacked, self._read_parts = _MOST_UNPACKED, 0
        self._known: dict[tuple[Path, str], tuple[np.ndarray, bytes] | None] = {}

    def stack(self, runs: Sequence[Run], split: str) -> np.ndarray | None:
        """Return bool (runs, images); None where a run's predictions are missing or disagree with
        its accuracy, and where the runs were judged on different images.
        """
        known = [self._of(run, split) for run in runs]
        if any(item is None for item in known) or len({item[1] for item in known if item}) != 1:
            return None
        return np.stack([item[0] for item in known if item])

    def _of(self, run: Run, split: str) -> tuple[np.ndarray, bytes] | None:
        key = (run.path, split)
        if key not in self._known:
            self._known[key] = self._read(run, split)
        return self._known[key]

    def _read(self, run: Run, split: str) -> tuple[np.ndarray, bytes] | None:
        self._read_parts += 1
        if self._read_parts > _MOST_READ:
            return None
        try:
            results = read_results(run, split, self._unpacked)
        except RunFolderError:
            return None
        self._unpacked -= results.unpacked
        count = len(results.right)
        # Probabilities are rounded to half precision, so that a draw may fall to another class.
        is_same = count > 1 and abs(results.right.mean() - run.metrics[SPLITS[split]]) <= 0.005
        return (results.right, results.labels.tobytes()) if is_same else None


def image_count(runs: Sequence[Run], split: str) -> int | None:
    """Return the number of images that runs were judged on, the smallest; None if not known."""
    counts = [((run.facts.data or {}).get("sizes") or {}) for run in runs]
    known = [sizes.get(split) if isinstance(sizes, dict) else None for sizes in counts]
    numbers = [n for n in known if isinstance(n, int) and 1 < n < 1e12]
    return min(numbers) if numbers and len(numbers) == len(runs) else None
