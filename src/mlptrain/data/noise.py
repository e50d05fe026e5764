"""The study's noise that is drawn once: the same for an image in every epoch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mlptrain.data.arrays import aligned_empty
from mlptrain.random_streams import Kind, stream

STEPS_PER_SD = 21.0
"""The table holds the noise in steps of 1/21 SD: int8 then reaches ±6 SD, beyond what 138
million draws give, and rounding adds less than 0.01 % to the SD. A float32 table of CIFAR-10
would take 553 MB instead of 138."""

_ROWS = 250


def noise_table(seed: int, images: int, features: int, threads: int = 1) -> np.ndarray:
    """Draw standard normal noise for each image, in steps of 1/`STEPS_PER_SD`.

    Each block of 250 images has its own random stream, so the table does not depend on `threads`.

    Args:
        seed: of the run.
        images: rows of the table.
        features: values in an image.
        threads: how many blocks are drawn in parallel.

    Returns:
        int8 (images, features).
    """
    table = aligned_empty((images, features), np.int8)

    def fill(block: int) -> None:
        rows = table[block * _ROWS : (block + 1) * _ROWS]
        generator = np.random.Generator(np.random.SFC64(stream(seed, Kind.NOISE, block)))
        noise = generator.standard_normal(rows.shape, dtype=np.float32)
        noise *= STEPS_PER_SD
        np.rint(noise, out=noise)
        np.clip(noise, -127, 127, out=noise)
        rows[:] = noise

    blocks = range(-(-images // _ROWS))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, blocks))
    return table
