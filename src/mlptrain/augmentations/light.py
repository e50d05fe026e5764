"""Change brightness and contrast."""

from typing import ClassVar

from pydantic import Field

from mlptrain.augmentations.augmentation import Draws, PixelChange, Tensor
from mlptrain.ranges import UnitInterval


class Settings(PixelChange):
    """Stretch an image around its mean, then add one number to all of it.

    Both are one augmentation, so that values are rounded and cut off at 0 and 255 only once.
    """

    position = 40
    streams: ClassVar = {"brightness": 8, "contrast": 9}

    brightness: UnitInterval = Field(
        0.0, description="largest change, up or down, as a share of the full range"
    )
    contrast: UnitInterval = Field(
        0.0,
        description="largest change of contrast around the image's mean, up or down, as a share",
    )

    def change(self, images: Tensor, draws: Draws) -> Tensor:
        """Draw one factor and one number for each image."""
        import tensorflow as tf

        shape = (tf.shape(images)[0], 1, 1, 1)
        values = tf.cast(images, tf.float32)
        if self.contrast:
            key = draws.key(self.streams["contrast"])
            factor = 1 + tf.random.stateless_uniform(shape, key, -self.contrast, self.contrast)
            mean = tf.reduce_mean(values, axis=(1, 2, 3), keepdims=True)
            values = mean + factor * (values - mean)
        if self.brightness:
            key = draws.key(self.streams["brightness"])
            values += 255 * tf.random.stateless_uniform(
                shape, key, -self.brightness, self.brightness
            )
        return tf.cast(tf.round(tf.clip_by_value(values, 0, 255)), tf.uint8)
