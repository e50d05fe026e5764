"""Paste a box of another image: Yun et al., 2019."""

import math
from typing import ClassVar

from pydantic import Field

from mlptrain.augmentations.augmentation import Draws, Mix, Tensor
from mlptrain.ranges import NonNegative

_CHANNELS = 3


class Settings(Mix):
    """Put a box of its neighbor into each image."""

    position = 60
    streams: ClassVar = {"share": 10, "center": 11}

    cutmix: NonNegative = Field(
        0.0,
        description="alpha of the Beta(alpha, alpha) that sets the area of a box from another "
        "image; 0 is off",
    )

    @property
    def alpha(self) -> float:
        """The parameter of the distribution of the area outside the box."""
        return self.cutmix

    def mix(
        self, images: Tensor, targets: Tensor, share: Tensor, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Mix the targets by the area that is really covered: a box may end at the edge."""
        import tensorflow as tf

        side = math.isqrt(images.shape[1] // _CHANNELS)
        half = 0.5 * side * tf.sqrt(1 - share)
        center = tf.random.stateless_uniform((2,), draws.key(self.streams["center"]), 0, side)
        first, last = tf.round(center - half), tf.round(center + half)
        places = tf.range(side, dtype=tf.float32)[None, :]
        inside = (places >= first[:, None]) & (places < last[:, None])
        box = tf.reshape(inside[0][:, None] & inside[1][None, :], (side, side, 1))
        flat = tf.reshape(tf.tile(box, (1, 1, _CHANNELS)), (1, images.shape[1]))
        uncovered = 1 - tf.reduce_mean(tf.cast(flat, tf.float32))
        return (
            tf.where(flat, tf.roll(images, 1, axis=0), images),
            uncovered * targets + (1 - uncovered) * tf.roll(targets, 1, axis=0),
        )
