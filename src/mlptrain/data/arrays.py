"""A data set in memory, in arrays that TensorFlow can use where they are."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

ALIGNMENT = 64
"""Bytes; TensorFlow's kernels read and write whole cache lines."""


def aligned_empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
    """As `numpy.empty`, with the first element on an `ALIGNMENT` boundary."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    first = -raw.ctypes.data % ALIGNMENT
    return raw[first : first + size].view(dtype).reshape(shape)


def is_aligned(array: np.ndarray) -> bool:
    """Whether the array is contiguous and starts on an `ALIGNMENT` boundary."""
    return array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0


@dataclass(frozen=True)
class ImageArrays:
    """Images as they come, uint8 from 0 to 255, and the class number of each.

    Attributes:
        train_images: uint8 `(n, side, side, 3)`; of CIFAR-10 50,000 in the official order.
        train_labels: uint8 `(n,)`.
        test_images: uint8 `(m, side, side, 3)`; of CIFAR-10 10,000.
        test_labels: uint8 `(m,)`.
    """

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
