"""The interface of an augmentation: its keys in a config, and how it changes a batch.

An augmentation is a subclass of one of five classes, which say at which point of the way from
memory to the network it acts: `Move`, `PixelChange`, `ScaledChange`, `Mix` or `ScoringView`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel

from mlptrain.ranges import STRICT

Tensor = Any
"""A tensor of TensorFlow."""
Array = Any
"""An array of NumPy."""


@dataclass(frozen=True)
class Draws:
    """The random numbers of one step: each draw comes from (seed, stream, step).

    Attributes:
        seed: of the run.
        step: int32 (), of the run, from 0.
        epoch: int32 (), from 1.
        once: augmentation → the rows of its `draw_once` for the images of the batch.
    """

    seed: int
    step: Tensor
    epoch: Tensor
    once: Mapping[str, Tensor]

    def key(self, stream: int) -> Tensor:
        """Return the stateless seed int64 (2,) of a stream in this step."""
        import tensorflow as tf

        from mlptrain.random_streams import Kind, stream_word

        word = stream_word(self.seed, Kind.AUGMENTATION, stream)
        return tf.stack([tf.constant(word, tf.int64), tf.cast(self.step, tf.int64)])


class Augmentation(BaseModel, ABC):
    """Keys below `augmentation`: each field has its neutral value as default, and a description.

    Attributes:
        position: its place among the augmentations, lowest first.
        streams: what it draws → the number of the random stream, which no other augmentation has.
            A number stays with its draw, because results depend on it.
    """

    model_config = STRICT
    position: ClassVar[int] = 100
    streams: ClassVar[Mapping[str, int]] = {}

    @property
    def is_on(self) -> bool:
        """Whether it changes anything: one of its keys is not neutral."""
        fields = type(self).model_fields
        return any(getattr(self, key) != field.default for key, field in fields.items())

    def describe(self) -> list[str]:
        """Return what a line about the recipe says of it, such as `shift 4`."""
        values = {key: getattr(self, key) for key in type(self).model_fields}
        return [f"{key.replace('_', ' ')} {value:g}" for key, value in values.items() if value]

    def largest_values(self, side: int) -> Mapping[str, int]:
        """Return the largest value of each key that images of `side` pixels limit."""
        return {}

    @property
    def cost(self) -> str:
        """What of its settings changes how long a step takes, as a text to compare."""
        return ""

    def draw_once(self, seed: int, shape: tuple[int, int], threads: int = 1) -> Array | None:
        """Return what is drawn once for the whole training: a row for each image, or None.

        Args:
            seed: of the run.
            shape: number of images, and of values in an image.
            threads: how many may draw in parallel.
        """
        return None


class Move(Augmentation):
    """Moves the rows and columns of single images. All moves together are one lookup."""

    @abstractmethod
    def move(self, places: Tensor, draws: Draws) -> Tensor:
        """Return where the pixels at `places` come from.

        Args:
            places: int32 (n, 2, side): of each image, rows and columns from 0 to side - 1.
            draws: of the step.

        Returns:
            The rows and columns before the move, like `places`.
        """


class PixelChange(Augmentation):
    """Changes the pixels of single images."""

    @abstractmethod
    def change(self, images: Tensor, draws: Draws) -> Tensor:
        """Return the changed images; all are uint8 (n, side, side, 3)."""


class ScaledChange(Augmentation):
    """Changes single images after scaling; all are float32 (n, features)."""

    def add_once(self, scaled: Tensor, rows: Tensor) -> Tensor:
        """Return the images changed by rows of `draw_once`; compiled into one pass with scaling."""
        return scaled

    def change_scaled(self, scaled: Tensor, draws: Draws) -> Tensor:
        """Return the images changed by what is drawn in this step."""
        return scaled


class Mix(Augmentation):
    """Mixes each image and its target with its neighbor in the shuffled batch.

    The share that an image keeps of itself is drawn from Beta(alpha, alpha), one for the whole
    batch, with the stream named `share`. Of several that are on, chance chooses one for each step,
    as in timm; the share of the others is 1.

    Attributes:
        mixes_scaled: whether it mixes scaled pixels, float32 (n, features), and not uint8 ones.
    """

    mixes_scaled: ClassVar[bool] = False

    @property
    @abstractmethod
    def alpha(self) -> float:
        """The parameter of the share's distribution."""

    @abstractmethod
    def mix(
        self, images: Tensor, targets: Tensor, share: Tensor, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Return mixed images and targets.

        Args:
            images: (n, features).
            targets: float32 (n, classes); rows sum to 1.
            share: float32 (), from 0 to 1.
            draws: of the step.
        """


class ScoringView(Augmentation):
    """Changes no training: scores average the probabilities of an image and its views."""

    @abstractmethod
    def view(self, images: Tensor) -> Tensor:
        """Return another view of images (n, side, side, 3), by operations that Keras can save."""
