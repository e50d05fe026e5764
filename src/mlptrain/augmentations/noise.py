"""Gaussian noise on the scaled pixels; the study's is the same for an image in every epoch."""

from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Literal

from pydantic import Field

from mlptrain.augmentations.augmentation import Array, Draws, ScaledChange, Tensor
from mlptrain.ranges import NonNegative

STEPS_PER_SD = 21.0
"""The table holds the noise in steps of 1/21 SD: int8 then reaches ±6 SD, beyond what 138
million draws give, and rounding adds less than 0.01 % to the SD. A float32 table of CIFAR-10
would take 553 MB instead of 138."""

_ROWS = 250


class Settings(ScaledChange):
    """Add Gaussian noise, drawn once for each image or again in every epoch."""

    position = 70
    streams: ClassVar = {"noise": 4}

    std: NonNegative = Field(
        0.0, description="standard deviation of Gaussian noise, in units of the scaled pixels"
    )
    when: Literal["once", "every_epoch"] = Field(
        "once", description="once: each image has the same noise in every epoch; or every_epoch"
    )

    @property
    def is_on(self) -> bool:
        """Whether there is noise, whenever it is drawn."""
        return self.std > 0

    def describe(self) -> list[str]:
        """Return a label such as `noise 0.01 once`."""
        return [f"noise {self.std:g} {self.when.replace('_', ' ')}"]

    @property
    def cost(self) -> str:
        """Looking noise up takes less time than drawing it."""
        return self.when

    def draw_once(self, seed: int, shape: tuple[int, int], threads: int = 1) -> Array | None:
        """Return standard normal noise, which workers of a sweep share whatever their `std` is."""
        from mlptrain.data.shared import shared_arrays

        if self.when != "once":
            return None
        name = "-".join(map(str, ("noise", seed, *shape)))
        return shared_arrays(name, lambda: {"noise": noise_table(seed, shape, threads)})["noise"]

    def add_once(self, scaled: Tensor, rows: Tensor) -> Tensor:
        """Add rows of the table, int8 (n, features)."""
        import tensorflow as tf

        return scaled + tf.cast(rows, tf.float32) * (self.std / STEPS_PER_SD)

    def change_scaled(self, scaled: Tensor, draws: Draws) -> Tensor:
        """Add noise that is drawn in this step, unless the table's was added."""
        import tensorflow as tf

        if self.when == "once":
            return scaled
        key = draws.key(self.streams["noise"])
        return scaled + tf.random.stateless_normal(tf.shape(scaled), key, stddev=self.std)


def noise_table(seed: int, shape: tuple[int, int], threads: int = 1) -> Array:
    """Draw standard normal noise int8 (images, features), in steps of 1/`STEPS_PER_SD`.

    Each block of 250 images has its own random stream, so the table does not depend on `threads`.
    """
    import numpy as np

    from mlptrain.data.arrays import aligned_empty
    from mlptrain.random_streams import Kind, stream

    table = aligned_empty(shape, np.int8)

    def fill(block: int) -> None:
        rows = table[block * _ROWS : (block + 1) * _ROWS]
        generator = np.random.Generator(np.random.SFC64(stream(seed, Kind.NOISE, block)))
        noise = generator.standard_normal(rows.shape, dtype=np.float32)
        noise *= STEPS_PER_SD
        np.rint(noise, out=noise)
        np.clip(noise, -127, 127, out=noise)
        rows[:] = noise

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, range(-(-shape[0] // _ROWS))))
    return table
