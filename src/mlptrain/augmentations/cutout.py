"""Cover a square of each image: DeVries and Taylor, 2017."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from mlptrain.augmentations.augmentation import Draws, PixelChange, Tensor
from mlptrain.ranges import NonNegativeInt

GRAY = 128


class Settings(PixelChange):
    """Cover a square with gray; its center is anywhere in the image."""

    position = 50
    streams: ClassVar = {"center": 3}

    cutout: NonNegativeInt = Field(
        0, description="side of a gray square at a random position, in pixels; 0 is off"
    )

    def largest_values(self, side: int) -> Mapping[str, int]:
        """A larger square would cover every image."""
        return {"cutout": side}

    def change(self, images: Tensor, draws: Draws) -> Tensor:
        """Draw one square for each image."""
        import tensorflow as tf

        n, side = tf.shape(images)[0], images.shape[1]
        key = draws.key(self.streams["center"])
        centers = tf.random.stateless_uniform((n, 2), key, 0, side, dtype=tf.int32)
        first = (centers - self.cutout // 2)[:, :, None]
        places = tf.range(side)[None, None, :]
        inside = (places >= first) & (places < first + self.cutout)
        square = inside[:, 0, :, None] & inside[:, 1, None, :]
        return tf.where(square[..., None], tf.constant(GRAY, tf.uint8), images)
