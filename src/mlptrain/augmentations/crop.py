"""Enlarge a random square to the full image."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from mlptrain.augmentations.augmentation import Draws, Move, Tensor
from mlptrain.ranges import NonNegativeInt


class Settings(Move):
    """Enlarge a square of at least `crop` pixels at a random position, by the nearest pixel."""

    position = 30
    streams: ClassVar = {"side": 6, "position": 7}

    crop: NonNegativeInt = Field(
        0,
        description="smallest side of a random square that is enlarged to the full image; 0 is off",
    )

    def largest_values(self, side: int) -> Mapping[str, int]:
        """The square is part of the image."""
        return {"crop": side}

    def move(self, places: Tensor, draws: Draws) -> Tensor:
        """Look up the pixel that the center of each enlarged one falls into."""
        import tensorflow as tf

        n, full = tf.shape(places)[0], places.shape[2]
        key = draws.key(self.streams["side"])
        side = tf.random.stateless_uniform((n, 1), key, self.crop, full + 1, dtype=tf.int32)
        position = tf.random.stateless_uniform((n, 2), draws.key(self.streams["position"]))
        first = tf.cast(position * tf.cast(full + 1 - side, tf.float32), tf.int32)
        first = tf.minimum(first, full - side)  # the product may round up
        return first[:, :, None] + (2 * places + 1) * side[:, :, None] // (2 * full)
