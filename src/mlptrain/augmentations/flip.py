"""Mirror images from left to right."""

from typing import ClassVar, Literal

from pydantic import Field

from mlptrain.augmentations.augmentation import Array, Draws, Move, Tensor


class Settings(Move):
    """Mirror each image with probability 1/2, or in every second epoch.

    In every second epoch: Jordan, 2024 ("94 % on CIFAR-10 in 3.29 seconds on a single GPU"). Every
    two epochs show each image both ways, which independent draws do for half of them only.
    """

    position = 10
    streams: ClassVar = {"mirrored": 1}

    flip: Literal[False, True, "alternating"] = Field(
        False,
        description="true mirrors each image with probability 1/2; alternating mirrors it in every "
        "second epoch",
    )

    def describe(self) -> list[str]:
        """Return `flip` or `flip alternating`."""
        return ["flip alternating" if self.flip == "alternating" else "flip"]

    def draw_once(self, seed: int, shape: tuple[int, int], threads: int = 1) -> Array | None:
        """Return which images even epochs mirror, uint8 (images,); odd ones mirror the others."""
        import tensorflow as tf

        if self.flip != "alternating":
            return None
        key = Draws(seed, tf.constant(0), tf.constant(1), {}).key(self.streams["mirrored"])
        chosen = tf.random.stateless_uniform(shape[:1], key) < 0.5
        return tf.cast(chosen, tf.uint8).numpy()

    def move(self, places: Tensor, draws: Draws) -> Tensor:
        """Count the columns of mirrored images from the right."""
        import tensorflow as tf

        n, side = tf.shape(places)[0], places.shape[2]
        if "flip" in draws.once:
            is_odd = tf.equal(draws.epoch % 2, 1)
            mirrored = tf.not_equal(tf.cast(draws.once["flip"], tf.bool), is_odd)
        else:
            mirrored = tf.random.stateless_uniform((n,), draws.key(self.streams["mirrored"])) < 0.5
        is_column = tf.constant([[False], [True]])
        return tf.where(mirrored[:, None, None] & is_column, side - 1 - places, places)
