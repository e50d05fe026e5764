"""Mix pairs of images: Zhang et al., 2018."""

from typing import ClassVar

from pydantic import Field

from mlptrain.augmentations.augmentation import Draws, Mix, Tensor
from mlptrain.ranges import NonNegative


class Settings(Mix):
    """Average each image with its neighbor, weighted by the share."""

    position = 80
    streams: ClassVar = {"share": 5}
    mixes_scaled = True

    mixup: NonNegative = Field(
        0.0,
        description="alpha of the Beta(alpha, alpha) that weights pairs of images and labels; "
        "0 is off",
    )

    @property
    def alpha(self) -> float:
        """The parameter of the distribution of the weight."""
        return self.mixup

    def mix(
        self, images: Tensor, targets: Tensor, share: Tensor, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Mix images and targets with the same weights."""
        import tensorflow as tf

        return (
            share * images + (1 - share) * tf.roll(images, 1, axis=0),
            share * targets + (1 - share) * tf.roll(targets, 1, axis=0),
        )
