"""Mean and variance of every pixel, exactly, without a float copy of the images."""

from dataclasses import dataclass

import numpy as np

# 65025 (255 squared) times this stays below 2**32.
_ROWS = 2_000


@dataclass(frozen=True)
class PixelStatistics:
    """Per pixel and channel: mean and variance, float64 (features,), in raw units (0 to 255)."""

    mean: np.ndarray
    variance: np.ndarray


def pixel_statistics(images: np.ndarray) -> PixelStatistics:
    """What sklearn's `StandardScaler` fits on the flattened images, from integer sums.

    Args:
        images: uint8 (n, …); flattened per image, row by row.

    Returns:
        Mean and population variance; a pixel that never changes gets variance 1, as
        `StandardScaler` leaves it unscaled. Scaling the pixels to [-1, 1] first, as the study
        does, gives the same standardised values.
    """
    rows = images.reshape(len(images), -1)
    total = np.zeros(rows.shape[1], np.uint64)
    squares = np.zeros(rows.shape[1], np.uint64)
    for first in range(0, len(rows), _ROWS):
        piece = rows[first : first + _ROWS]
        total += piece.sum(axis=0, dtype=np.uint32)
        squares += np.square(piece, dtype=np.uint16).sum(axis=0, dtype=np.uint32)
    n = len(rows)
    mean = total / n
    # n·Σx² - (Σx)² is exact in Python-sized integers: below 2**64 for n up to 500,000 images.
    variance = (n * squares - total * total) / (n * n)
    return PixelStatistics(mean, np.where(variance == 0, 1.0, variance))


def unit_in_raw(scaling: str, images: np.ndarray) -> np.ndarray:
    """Raw units (0 to 255) in one unit of the scaled pixels, float64 (features,).

    Args:
        scaling: `data.scaling`.
        images: uint8 (n, …) of the training split.
    """
    if scaling == "standardize":
        return np.sqrt(pixel_statistics(images).variance)
    return np.full(images[0].size, 255.0 if scaling == "zero_one" else 127.5)
