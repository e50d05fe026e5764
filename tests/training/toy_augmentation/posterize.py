"""An augmentation from outside the package: images with fewer shades, one number for each."""

from typing import ClassVar

from pydantic import Field

from mlptrain.augmentations.augmentation import PixelChange
from mlptrain.ranges import NonNegativeInt


class Settings(PixelChange):
    streams: ClassVar = {"bits": 100}

    posterize: NonNegativeInt = Field(0, description="most of the eight bits to clear; 0 is off")

    def largest_values(self, side):
        return {"posterize": 7}

    def change(self, images, draws):
        import tensorflow as tf

        shape = (tf.shape(images)[0], 1, 1, 1)
        key = draws.key(self.streams["bits"])
        bits = tf.random.stateless_uniform(shape, key, 1, self.posterize + 1, dtype=tf.int32)
        shades = tf.bitwise.left_shift(1, bits)
        return tf.cast(tf.cast(images, tf.int32) // shades * shades, tf.uint8)
