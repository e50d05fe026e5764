"""Independent random streams: whatever a run draws comes from (seed, kind, index).

Two runs, two layers or two kinds of draws never share a stream, because NumPy's `SeedSequence`
hashes the three numbers together. Sums or products of them would coincide: layer 3 of seed 1
would start as layer 2 of seed 2.
"""

from enum import IntEnum

import numpy as np


class Kind(IntEnum):
    """What is drawn. A number stays with its kind, because results depend on it."""

    WEIGHTS = 0
    DROPOUT = 1
    ORDER = 2
    NOISE = 3
    AUGMENTATION = 4
    SPLIT = 5


def stream(seed: int, kind: Kind, *index: int) -> np.random.SeedSequence:
    """Return the source of one random stream, for NumPy's bit generators.

    Args:
        seed: of the run.
        kind: what is drawn.
        index: numbers of the layer, epoch or block, where each has a stream of its own.
    """
    return np.random.SeedSequence(seed, spawn_key=(int(kind), *index))


def stream_word(seed: int, kind: Kind, *index: int) -> int:
    """Return one number from 0 to 2**32 - 1 that stands for the same stream, for Keras."""
    return int(stream(seed, kind, *index).generate_state(1)[0])
