"""The plain net of the study."""

from typing import Annotated, Any, Literal

from pydantic import Field

from mlptrain.families.family import Body, Family, LayerMaker, dense_parameters
from mlptrain.ranges import Fraction, PositiveInt


class Model(Family):
    """The plain net: widths of the hidden layers and what follows each."""

    to_shorten = "shorten model.hidden"
    name: Literal["pyramid"]
    hidden: Annotated[list[PositiveInt], Field(min_length=1)]
    dropout: Fraction
    batch_norm: bool

    def build(self, make: LayerMaker) -> Body:
        """Stack Dense, activation, BatchNormalization and Dropout, in the study's order."""
        import keras

        stack: list[Any] = []
        for number, width in enumerate(self.hidden, start=1):
            stack += [make.dense(width, f"dense_{number}"), make.activation()]
            if self.batch_norm:
                stack.append(keras.layers.BatchNormalization(name=f"batch_norm_{number}"))
            if self.dropout:
                stack.append(make.dropout(self.dropout, f"dropout_{number}"))
        stack.append(make.logits())

        def body(x: Any) -> Any:
            for layer in stack:
                x = layer(x)
            return x

        return body

    def count_parameters(self, inputs: int, classes: int) -> int:
        """Count Dense layers, and four values for each unit with batch norm."""
        norms = 4 * sum(self.hidden) if self.batch_norm else 0
        return dense_parameters(inputs, *self.hidden, classes) + norms

    def count_layers(self) -> int:
        """Count the widths."""
        return len(self.hidden)

    def describe(self) -> list[str]:
        """Such as `512-256-128-64`, `dropout 0.3`, `batch norm`."""
        options = [f"dropout {self.dropout:g}"] if self.dropout else []
        return ["-".join(map(str, self.hidden)), *options, *["batch norm"] * self.batch_norm]
