"""Augmentation of a batch inside the graph; every draw comes from (seed, step)."""

from __future__ import annotations

from enum import IntEnum

import tensorflow as tf

from mlptrain.config.schema import Augmentation
from mlptrain.config.sizes import FEATURES, IMAGE_SHAPE

GREY = 128


class Stream(IntEnum):
    """One random stream for each kind of draw, so that switching one on leaves the others."""

    FLIP = 1
    SHIFT = 2
    CUTOUT = 3
    NOISE = 4
    MIXUP_SHARE = 5


def stream_seed(seed: int, stream: Stream, step: tf.Tensor) -> tf.Tensor:
    """The stateless seed int32 (2,) of a stream at a global step (counted from 0)."""
    return tf.stack([tf.constant((seed * 31 + int(stream)) % 2**31, tf.int32), step])


def augment_images(
    images: tf.Tensor, augmentation: Augmentation, seed: int, step: tf.Tensor
) -> tf.Tensor:
    """Flip, shift and cut out; uint8 (n, 3072) → uint8 (n, 3072)."""
    if not (augmentation.flip or augmentation.shift or augmentation.cutout):
        return images
    n = tf.shape(images)[0]
    grid = tf.reshape(images, (-1, *IMAGE_SHAPE))
    if augmentation.flip:
        flipped = tf.random.stateless_uniform((n,), stream_seed(seed, Stream.FLIP, step)) < 0.5
        grid = tf.where(flipped[:, None, None, None], grid[:, :, ::-1], grid)
    if augmentation.shift:
        grid = _shift(grid, augmentation.shift, stream_seed(seed, Stream.SHIFT, step))
    if augmentation.cutout:
        grid = _cutout(grid, augmentation.cutout, stream_seed(seed, Stream.CUTOUT, step))
    return tf.reshape(grid, (-1, FEATURES))


def _shift(images: tf.Tensor, most: int, seed: tf.Tensor) -> tf.Tensor:
    """Move each image by up to `most` pixels up, down, left, right; edges are reflected."""
    side = IMAGE_SHAPE[0]
    offsets = tf.random.stateless_uniform(
        (tf.shape(images)[0], 2), seed, -most, most + 1, dtype=tf.int32
    )
    places = tf.abs(tf.range(side)[None, None, :] + offsets[:, :, None])
    places = tf.where(places >= side, 2 * (side - 1) - places, places)
    rows = tf.gather(images, places[:, 0], axis=1, batch_dims=1)
    return tf.gather(rows, places[:, 1], axis=2, batch_dims=1)


def _cutout(images: tf.Tensor, size: int, seed: tf.Tensor) -> tf.Tensor:
    """Grey out a square of `size` pixels, its centre anywhere in the image."""
    side = IMAGE_SHAPE[0]
    centres = tf.random.stateless_uniform((tf.shape(images)[0], 2), seed, 0, side, dtype=tf.int32)
    first = centres - size // 2
    places = tf.range(side)[None, None, :]
    inside = (places >= first[:, :, None]) & (places < first[:, :, None] + size)
    square = inside[:, 0, :, None] & inside[:, 1, None, :]
    return tf.where(square[..., None], tf.constant(GREY, tf.uint8), images)


def fresh_noise(scaled: tf.Tensor, std: float, seed: int, step: tf.Tensor) -> tf.Tensor:
    """Gaussian noise drawn for this step, added to scaled pixels float32 (n, 3072)."""
    key = stream_seed(seed, Stream.NOISE, step)
    return scaled + tf.random.stateless_normal(tf.shape(scaled), key, stddev=std)


def mixup(
    scaled: tf.Tensor, targets: tf.Tensor, alpha: float, seed: int, step: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mix each image and its target with those of its neighbour in the shuffled batch.

    Zhang et al., 2018: one share for the whole batch, drawn from Beta(alpha, alpha), as the
    quotient of two gamma draws.

    Args:
        scaled: float32 (n, 3072).
        targets: float32 (n, 10), rows sum to 1.
    """
    key = stream_seed(seed, Stream.MIXUP_SHARE, step)
    draws = tf.random.stateless_gamma((2,), key, alpha=alpha)
    share = draws[0] / tf.maximum(draws[0] + draws[1], 1e-12)
    return (
        share * scaled + (1 - share) * tf.roll(scaled, 1, axis=0),
        share * targets + (1 - share) * tf.roll(targets, 1, axis=0),
    )
