"""Arrays that TensorFlow can use where they are, instead of copying them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

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
