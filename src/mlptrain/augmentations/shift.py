"""Shift images by whole pixels."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from mlptrain.augmentations.augmentation import Draws, Move, Tensor
from mlptrain.ranges import NonNegativeInt


class Settings(Move):
    """Shift each image by whole pixels, as a crop of the image with reflected edges."""

    position = 20
    streams: ClassVar = {"offset": 2}

    shift: NonNegativeInt = Field(
        0, description="largest shift in pixels each way; the edges are reflected"
    )

    def largest_values(self, side: int) -> Mapping[str, int]:
        """An image has one reflection at each edge."""
        return {"shift": side - 1}

    def move(self, places: Tensor, draws: Draws) -> Tensor:
        """Add an offset to all rows and another one to all columns."""
        import tensorflow as tf

        n, side = tf.shape(places)[0], places.shape[2]
        offsets = tf.random.stateless_uniform(
            (n, 2), draws.key(self.streams["offset"]), -self.shift, self.shift + 1, dtype=tf.int32
        )
        places = tf.abs(places + offsets[:, :, None])
        return tf.where(places >= side, 2 * (side - 1) - places, places)
