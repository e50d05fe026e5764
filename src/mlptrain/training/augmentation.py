"""What happens to a batch between memory and the network, inside the graph."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from mlptrain.augmentations import Augmentation
from mlptrain.augmentations.augmentation import Draws, Mix, Move, PixelChange, ScaledChange
from mlptrain.config.schema import Config
from mlptrain.data.arrays import is_aligned

MIX_CHOICE = 12
"""The random stream that chooses between augmentations that mix images."""
_CHANNELS = 3


def resident_tensor(array: np.ndarray) -> tf.Tensor:
    """Return the array as a tensor on the device; on a CPU it uses the same memory.

    `tf.constant` would hold the images three times for a moment and twice ever after.
    """
    if tf.config.list_logical_devices("GPU") or not is_aligned(array):
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


class Augmenter:
    """Augments and scales batches of one training split, with what is drawn once for its images.

    Args:
        config: whose augmentations and seed to use.
        images: number of images in the split.
        scaling: uint8 (n, features) → float32 (n, features), element by element.
        threads: how many draw what is drawn once.

    Attributes:
        mixes: whether targets are mixed, which must then be soft.
    """

    def __init__(
        self,
        config: Config,
        images: int,
        scaling: Callable[[tf.Tensor], tf.Tensor],
        threads: int = 1,
    ) -> None:
        self._seed = config.seed
        self._shape = images, config.data.features()
        self._augmentations = config.active_augmentations()
        self._scaling = scaling
        self._threads = threads
        # AutoGraph would rewrite every function, 0.7 s for nothing: the loop is TensorFlow's.
        self._scale = tf.function(self._scale_batch, jit_compile=True, autograph=False)
        self._once: dict[str, tf.Tensor] = {}
        self.mixes = any(isinstance(item, Mix) for item in self._augmentations.values())
        self.draw_once()

    def draw_once(self) -> None:
        """Draw what is drawn once for each image; it stays in memory until `free`."""
        for name, augmentation in self._augmentations.items():
            table = augmentation.draw_once(self._seed, self._shape, self._threads)
            if table is not None:
                self._once[name] = resident_tensor(table)

    def free(self) -> None:
        """Give the memory of what was drawn once back."""
        self._once = {}

    def __call__(
        self,
        images: tf.Tensor,
        targets: tf.Tensor | None,
        rows: tf.Tensor,
        epoch: tf.Tensor,
        step: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Augment single images, mix them, scale, add noise, and mix scaled ones.

        Args:
            images: uint8 (n, features).
            targets: float32 (n, classes), rows sum to 1; None is allowed where nothing is mixed.
            rows: int32 (n,), which images of the split they are.
            epoch: int32 (), from 1.
            step: int32 (), of the run, from 0.

        Returns:
            Inputs float32 (n, features), and the targets mixed like them.
        """
        once = {name: tf.gather(table, rows) for name, table in self._once.items()}
        draws = Draws(self._seed, step, epoch, once)
        every = list(self._augmentations.values())
        images = augment_images(images, every, draws)
        images, targets = mix_batch(images, targets, every, draws, scaled=False)
        inputs = self._scale(images, once)
        for augmentation in every:
            if isinstance(augmentation, ScaledChange):
                inputs = augmentation.change_scaled(inputs, draws)
        return mix_batch(inputs, targets, every, draws, scaled=True)

    def _scale_batch(self, images: tf.Tensor, once: Mapping[str, tf.Tensor]) -> tf.Tensor:
        scaled = self._scaling(images)
        for name, rows in once.items():
            augmentation = self._augmentations[name]
            if isinstance(augmentation, ScaledChange):
                scaled = augmentation.add_once(scaled, rows)
        return scaled


def augment_images(
    images: tf.Tensor, augmentations: Sequence[Augmentation], draws: Draws
) -> tf.Tensor:
    """Move pixels, then change them; all are uint8 (n, features)."""
    moves = [item for item in augmentations if isinstance(item, Move)]
    changes = [item for item in augmentations if isinstance(item, PixelChange)]
    if not (moves or changes):
        return images
    side = math.isqrt(images.shape[1] // _CHANNELS)
    grid = tf.reshape(images, (-1, side, side, _CHANNELS))
    if moves:
        places = tf.tile(tf.range(side)[None, None, :], (tf.shape(grid)[0], 2, 1))
        for move in reversed(moves):  # from the result back to where its pixels come from
            places = move.move(places, draws)
        grid = tf.gather(grid, places[:, 0], axis=1, batch_dims=1)
        grid = tf.gather(grid, places[:, 1], axis=2, batch_dims=1)
    for change in changes:
        grid = change.change(grid, draws)
    return tf.reshape(grid, (-1, images.shape[1]))


def mix_batch(
    images: tf.Tensor,
    targets: tf.Tensor | None,
    augmentations: Sequence[Augmentation],
    draws: Draws,
    *,
    scaled: bool,
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Mix images and targets by the augmentations that act on `scaled` images."""
    mixes = [item for item in augmentations if isinstance(item, Mix)]
    for mix in mixes:
        if mix.mixes_scaled == scaled:
            images, targets = mix.mix(images, targets, _share(mix, mixes, draws), draws)
    return images, targets


def _share(mix: Mix, mixes: Sequence[Mix], draws: Draws) -> tf.Tensor:
    """Return the share float32 () that images keep of themselves; see `Mix`."""
    key = draws.key(mix.streams["share"])
    parts = tf.random.stateless_gamma((2,), key, alpha=mix.alpha)  # their quotient is Beta
    share = parts[0] / tf.maximum(parts[0] + parts[1], 1e-12)
    if len(mixes) == 1:
        return share
    draw = tf.random.stateless_uniform((), draws.key(MIX_CHOICE))
    chosen = len(mixes) - 1 - tf.cast(draw * len(mixes), tf.int32)
    return tf.where(tf.equal(chosen, mixes.index(mix)), share, 1.0)


def preview(images: np.ndarray, config: Config, spread: np.ndarray, epoch: int) -> np.ndarray:
    """Return what training would see of some images in an epoch, with targets left out.

    Args:
        images: uint8 (n, side, side, 3).
        config: whose augmentations to show.
        spread: float (features,), raw units in one unit of the scaled pixels.
        epoch: from 1; the global step is that of an epoch with one step.

    Returns:
        uint8 (n, side, side, 3).
    """
    n, unit = len(images), spread.astype(np.float32)
    augment = Augmenter(config, n, lambda pixels: tf.cast(pixels, tf.float32) / unit)
    flat, order = tf.constant(images.reshape(n, -1)), tf.range(n)
    scaled, _ = augment(flat, tf.zeros((n, 1)), order, tf.constant(epoch), tf.constant(epoch - 1))
    pixels = np.rint(np.clip(scaled.numpy() * spread, 0, 255)).astype(np.uint8)
    return pixels.reshape(images.shape)
