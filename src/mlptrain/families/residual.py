"""Residual inverted bottlenecks: Bachmann et al., 2023 ("Scaling MLPs")."""

from typing import Any, Literal

from mlptrain.families.family import Body, Family, LayerMaker, dense_parameters
from mlptrain.ranges import Fraction, NonNegativeInt, PositiveInt


class Model(Family):
    """A linear layer, then inverted bottlenecks with layer norm before and a sum around each."""

    to_shorten = "a residual block has two: lower model.blocks"
    name: Literal["residual"]
    width: PositiveInt
    blocks: NonNegativeInt
    expansion: PositiveInt
    dropout: Fraction

    def build(self, make: LayerMaker) -> Body:
        """Compute x + contract(dropout(activation(expand(norm(x))))) in each block."""
        import keras

        stem = make.dense(self.width, "stem")
        blocks: list[list[Any]] = []
        for number in range(1, self.blocks + 1):
            block = [
                keras.layers.LayerNormalization(name=f"norm_{number}"),
                make.dense(self.expansion * self.width, f"expand_{number}"),
                make.activation(),
            ]
            if self.dropout:
                block.append(make.dropout(self.dropout, f"dropout_{number}"))
            block.append(make.dense(self.width, f"contract_{number}"))
            blocks.append(block)
        sums = [keras.layers.Add(name=f"sum_{number}") for number in range(1, self.blocks + 1)]
        norm = keras.layers.LayerNormalization(name="norm")
        logits = make.logits()

        def body(x: Any) -> Any:
            x = stem(x)
            for block, add in zip(blocks, sums, strict=True):
                inner = x
                for layer in block:
                    inner = layer(inner)
                x = add([x, inner])
            return logits(norm(x))

        return body

    def count_parameters(self, inputs: int, classes: int) -> int:
        """Count Dense layers, and two values for each unit with layer norm."""
        width, norm = self.width, 2 * self.width
        block = norm + dense_parameters(width, self.expansion * width, width)
        ends = dense_parameters(inputs, width) + norm + dense_parameters(width, classes)
        return ends + self.blocks * block

    def count_layers(self) -> int:
        """Count the linear layer, and two layers in each block."""
        return 1 + 2 * self.blocks

    def describe(self) -> list[str]:
        """Such as `1024+2x2048`, `dropout 0.1`."""
        shape = f"{self.width}+{self.blocks}x{self.expansion * self.width}"
        return [shape, *([f"dropout {self.dropout:g}"] if self.dropout else [])]
