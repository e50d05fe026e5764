"""Spatial-shift MLP: Yu et al., 2022 ("S2-MLP: Spatial-Shift MLP Architecture for Vision").

The stages, between which 2 by 2 patches become one, are those of its successor (Yu et al., 2021,
"S2-MLPv2"). Both layers of a block see shifted values, in eight directions. A layer norm would take
as long as the products, so that there is none: each block starts as the identity instead (De and
Smith, 2020, "Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep
Networks").
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from mlptrain.errors import ConfigError
from mlptrain.families.family import (
    Body,
    LayerMaker,
    PatchFamily,
    dense_parameters,
    drop_path_rate,
)
from mlptrain.formatting import quantity
from mlptrain.ranges import Fraction, PositiveInt

_NEIGHBORS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
"""(rows, columns) to the patch that each eighth of a layer's input comes from."""

_Sizes = Annotated[list[PositiveInt], Field(min_length=1)]


class Model(PatchFamily):
    """A linear layer on each patch, then blocks of two layers that see the patches around it."""

    to_shorten = "a block has two: lower model.depths"
    name: Literal["s2mlp"]
    widths: _Sizes
    depths: _Sizes
    expansion: PositiveInt
    drop_path: Fraction

    def build(self, make: LayerMaker) -> Body:
        """Compute x + contract(shift(activation(expand(shift(x))))) in each block.

        The patches of a batch are rows (n * patches, width), so that a Dense layer is one product.
        """
        import keras

        steps: list[Callable[[Any], Any]] = [
            *self.cut(make.features),
            lambda x: keras.ops.reshape(x, (-1, 3 * self.patch**2)),
            make.dense(self.widths[0], "stem"),
        ]
        blocks = before = 0
        for stage, (along, width, depth) in enumerate(self._stages(make.features)):
            if stage:
                steps += [_two_by_two(along, before), make.dense(width, f"merge_{stage}")]
            for _ in range(depth):
                blocks += 1
                rate = drop_path_rate(self.drop_path, blocks, sum(self.depths))
                steps.append(self._block(make, blocks, along, width, rate))
            before = width
        steps += [
            lambda x: keras.ops.reshape(x, (-1, along**2, before)),
            # A sum of many values in bfloat16 would lose the last digits.
            keras.layers.GlobalAveragePooling1D(dtype="float32", name="mean"),
            make.logits(),
        ]

        def body(x: Any) -> Any:
            for step in steps:
                x = step(x)
            return x

        return body

    def _block(
        self, make: LayerMaker, number: int, along: int, width: int, rate: float
    ) -> Callable[[Any], Any]:
        import keras

        inside = self.expansion * width
        branch = [
            _shift(along, width),
            make.dense(inside, f"expand_{number}"),
            make.activation(),
            _shift(along, inside),
            make.dense(width, f"contract_{number}", zeros=True),
        ]
        drop = make.dropout(rate, f"drop_path_{number}", (None, 1, 1)) if rate else None
        add = keras.layers.Add(name=f"sum_{number}")

        def block(x: Any) -> Any:
            inner = x
            for step in branch:
                inner = step(inner)
            if drop:  # of whole images, whose patches are rows
                images = keras.ops.reshape(inner, (-1, along**2, width))
                inner = keras.ops.reshape(drop(images), (-1, width))
            return add([x, inner])

        return block

    def count_parameters(self, inputs: int, classes: int) -> int:
        """Count the Dense layers."""
        layers = sum(parameters for _, parameters in self._dense(inputs))
        return layers + dense_parameters(self.widths[-1], classes)

    def count_products(self, inputs: int, classes: int) -> int:
        """Count each weight as often as it is used: for every patch."""
        layers = sum(patches * parameters for patches, parameters in self._dense(inputs))
        return layers + dense_parameters(self.widths[-1], classes)

    def count_activations(self, inputs: int) -> int:
        """Count what each block keeps: what its layers return, and what is shifted of it."""
        return sum(
            depth * along**2 * (3 + 3 * self.expansion) * width
            for along, width, depth in self._stages(inputs)
        )

    def count_layers(self) -> int:
        """Count the linear layer, one for each merge, and two layers in each block."""
        return len(self.widths) + 2 * sum(self.depths)

    def describe(self) -> list[str]:
        """Such as `s2mlp 2x64-4x128-2x256`, `patch 2`, `expansion 2`, `drop path 0.1`."""
        stages = zip(self.depths, self.widths, strict=True)
        shape = "-".join(f"{depth}x{width}" for depth, width in stages)
        drops = [f"drop path {self.drop_path:g}"] if self.drop_path else []
        return [f"s2mlp {shape}", f"patch {self.patch}", f"expansion {self.expansion}", *drops]

    def check(self, side: int) -> None:
        """Refuse stages that do not fit together, and patches that do not cover the images."""
        if len(self.widths) != len(self.depths):
            raise ConfigError(
                "as many model.depths as model.widths, one of each for every stage",
                f"{quantity(len(self.widths), 'width')}, {quantity(len(self.depths), 'depth')}",
                f"type model.widths={_listed(self.widths)} with as many model.depths",
            )
        super().check(side)
        uneven = [width for width in self.widths if width % len(_NEIGHBORS)]
        if uneven:
            raise ConfigError(
                f"model.widths that are multiples of {len(_NEIGHBORS)}, as a patch has neighbors",
                f"model.widths={_listed(self.widths)}",
                f"choose {uneven[0] + -uneven[0] % len(_NEIGHBORS)} for {uneven[0]}",
            )
        halvings = 2 ** (len(self.widths) - 1)
        fitting = [n for n in range(1, side + 1) if side % n == 0 and (side // n) % halvings == 0]
        if self.patch not in fitting:
            raise ConfigError(
                f"patches that cover images of {side} by {side} pixels, in a number along a side "
                f"that {len(self.widths)} stages can halve {len(self.widths) - 1} times",
                f"model.patch={self.patch}",
                f"choose model.patch={min(fitting, key=lambda n: abs(n - self.patch))}"
                if fitting
                else "name fewer model.widths and model.depths",
            )

    def _stages(self, inputs: int) -> Iterator[tuple[int, int, int]]:
        """Yield the patches along a side, width and number of blocks of each stage."""
        along = self.patches_along(inputs)
        for stage, (width, depth) in enumerate(zip(self.widths, self.depths, strict=True)):
            yield along // 2**stage, width, depth

    def _dense(self, inputs: int) -> Iterator[tuple[int, int]]:
        """Yield how many patches use a Dense layer, or a stage's blocks, and its parameters."""
        before = 3 * self.patch**2
        for along, width, depth in self._stages(inputs):
            yield along**2, dense_parameters(before, width)
            yield along**2, depth * dense_parameters(width, self.expansion * width, width)
            before = 4 * width


def _shift(along: int, width: int) -> Callable[[Any], Any]:
    """Return a function that takes each eighth of a patch's values from one of its neighbors.

    At the edges, a neighbor outside is replaced by the nearest patch. The function takes and
    returns rows (n * along * along, width).
    """
    import keras
    import numpy as np

    parts = len(_NEIGHBORS)
    rows, columns, part = np.indices((along, along, parts))
    moves = np.array(_NEIGHBORS)
    row = np.clip(rows + moves[part, 0], 0, along - 1)
    column = np.clip(columns + moves[part, 1], 0, along - 1)
    source = ((row * along + column) * parts + part).ravel().astype(np.int32)

    def shift(x: Any) -> Any:
        eighths = keras.ops.reshape(x, (-1, along**2 * parts, width // parts))
        return keras.ops.reshape(keras.ops.take(eighths, source, axis=1), (-1, width))

    return shift


def _two_by_two(along: int, width: int) -> Callable[[Any], Any]:
    """Return a function that lays 2 by 2 patches of a width side by side, `along` of them a row.

    It takes rows (n * 4 * along * along, width) and returns (n * along * along, 4 * width).
    """
    import keras

    def join(x: Any) -> Any:
        squares = keras.ops.reshape(x, (-1, along, 2, along, 2 * width))
        together = keras.ops.transpose(squares, (0, 1, 3, 2, 4))
        return keras.ops.reshape(together, (-1, 4 * width))

    return join


def _listed(numbers: list[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"
