"""What a family of nets has to say of itself."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from mlptrain.errors import ConfigError
from mlptrain.formatting import quantity
from mlptrain.ranges import STRICT, PositiveInt

Body = Callable[[Any], Any]
"""Scaled pixels float32 (n, features) → logits float32 (n, classes), of symbolic tensors."""

MOST_LAYERS = 100
"""Far above what a multilayer perceptron has use for; saved models are read with this bound."""


class LayerMaker(Protocol):
    """Makes the layers of one net that other parts of the config decide about.

    Attributes:
        features: number of values in an image.
    """

    features: int

    def dense(self, width: int, name: str, *, zeros: bool = False) -> Any:
        """Return a hidden Dense layer with the config's penalty and limit.

        Args:
            width: number of units.
            name: of the layer.
            zeros: whether its kernel starts at zero, in place of the config's initializer.
        """

    def activation(self) -> Any:
        """Return a layer with the config's activation."""

    def dropout(self, rate: float, name: str, mask: tuple[int | None, ...] | None = None) -> Any:
        """Return a Dropout layer with its own random stream.

        Args:
            rate: share of the values that are dropped.
            name: of the layer.
            mask: shape of what is drawn, None for the batch; by default that of the values.
        """

    def logits(self) -> Any:
        """Return the output layer, one unit for each class."""


class Family(BaseModel, ABC):
    """The `model` node of a config: its fields are the keys of the family's YAML files.

    A family is one module of this package, named as its `name`, whose class `Model` is a subclass.

    Attributes:
        name: of the family; a subclass narrows it to one literal.
        to_shorten: what to do about a net with too many hidden layers.
    """

    model_config = STRICT
    to_shorten: ClassVar[str]
    name: str

    @abstractmethod
    def build(self, make: LayerMaker) -> Body:
        """Make the layers once and return the function that runs images through them."""

    @abstractmethod
    def count_parameters(self, inputs: int, classes: int) -> int:
        """Return the number that Keras counts: kernels, biases, and what norms hold."""

    def count_products(self, inputs: int, classes: int) -> int:
        """Return the multiplications for one image: one for each weight that is used once."""
        return self.count_parameters(inputs, classes)

    def count_activations(self, inputs: int) -> int:
        """Return how many values of one image training keeps, where they outgrow the weights."""
        return 0

    def patch_side(self, side: int) -> int:
        """Return the side of the part of an image that a unit of the first layer sees."""
        return side

    @abstractmethod
    def count_layers(self) -> int:
        """Return the number of hidden Dense layers."""

    @abstractmethod
    def describe(self) -> list[str]:
        """Return the net in a word, such as `512-256`, then its options, such as `dropout 0.3`."""

    def check(self, side: int) -> None:
        """Refuse what types and ranges of single keys cannot.

        Args:
            side: of the images, in pixels.

        Raises:
            ConfigError: with the reason and the way out.
        """
        layers = self.count_layers()
        if layers > MOST_LAYERS:
            raise ConfigError(
                f"at most {MOST_LAYERS} hidden layers", quantity(layers, "layer"), self.to_shorten
            )


class PatchFamily(Family):
    """Nets that share their weights between the square patches of an image.

    Attributes:
        patch: side of a patch in pixels.
    """

    patch: PositiveInt

    def cut(self, inputs: int) -> list[Any]:
        """Return layers that take pixels (n, inputs) to (n, along, along, patch, 3 * patch)."""
        import keras

        along, patch = self.patches_along(inputs), self.patch
        return [
            keras.layers.Reshape((along, patch, along, 3 * patch), name="rows_of_patches"),
            keras.layers.Permute((1, 3, 2, 4), name="patches_together"),
        ]

    def patches_along(self, inputs: int) -> int:
        """Return the number of patches in a row of an image of that many values."""
        return math.isqrt(inputs // 3) // self.patch

    def patch_side(self, side: int) -> int:
        """Return the side of a patch."""
        return self.patch


def drop_path_rate(last: float, number: int, count: int) -> float:
    """Return what block `number` of `count` skips: from 0 in the first to `last` in the last.

    As in Mixer (Tolstikhin et al., 2021); a single block is the last one.
    """
    return last * ((number - 1) / (count - 1) if count > 1 else 1)


def dense_parameters(*widths: int) -> int:
    """Return the number of kernel and bias values between layers of these widths."""
    return sum(n * m + m for n, m in pairwise(widths))
