"""MLP-Mixer: Tolstikhin et al., 2021 ("MLP-Mixer: An all-MLP Architecture for Vision")."""

from typing import Any, Literal

from mlptrain.errors import ConfigError
from mlptrain.families.family import (
    Body,
    LayerMaker,
    PatchFamily,
    dense_parameters,
    drop_path_rate,
)
from mlptrain.ranges import Fraction, PositiveInt

_EPSILON = 1e-6
"""Of layer norm, as in the paper's code."""


class Model(PatchFamily):
    """A linear layer on each patch, then blocks that mix over the patches and the channels."""

    to_shorten = "a block has four: lower model.depth"
    name: Literal["mixer"]
    width: PositiveInt
    depth: PositiveInt
    token_width: PositiveInt
    channel_width: PositiveInt
    drop_path: Fraction

    def build(self, make: LayerMaker) -> Body:
        """Compute x + MLP(norm(x)) over the patches, then over the channels, in each block."""
        import keras

        along = self.patches_along(make.features)
        patches = [
            *self.cut(make.features),
            keras.layers.Reshape((along**2, 3 * self.patch**2), name="patches"),
            make.dense(self.width, "stem"),
        ]
        branches = []
        for number in range(1, self.depth + 1):
            rate = drop_path_rate(self.drop_path, number, self.depth)
            for axis, inner, outer in (
                ("token", self.token_width, along**2),
                ("channel", self.channel_width, self.width),
            ):
                name = f"{axis}_{{}}_{number}".format
                branch = [
                    keras.layers.LayerNormalization(epsilon=_EPSILON, name=name("norm")),
                    make.dense(inner, name("in")),
                    make.activation(),
                    make.dense(outer, name("out")),
                ]
                if axis == "token":
                    branch.insert(1, keras.layers.Permute((2, 1), name=f"to_tokens_{number}"))
                    branch.append(keras.layers.Permute((2, 1), name=f"to_channels_{number}"))
                if rate:
                    branch.append(make.dropout(rate, name("drop_path"), (None, 1, 1)))
                branches.append((branch, keras.layers.Add(name=name("sum"))))
        head = [
            keras.layers.LayerNormalization(epsilon=_EPSILON, name="norm"),
            # A sum of many values in bfloat16 would lose the last digits.
            keras.layers.GlobalAveragePooling1D(dtype="float32", name="mean"),
            make.logits(),
        ]

        def through(layers: list[Any], x: Any) -> Any:
            for layer in layers:
                x = layer(x)
            return x

        def body(x: Any) -> Any:
            x = through(patches, x)
            for branch, add in branches:
                x = add([x, through(branch, x)])
            return through(head, x)

        return body

    def count_parameters(self, inputs: int, classes: int) -> int:
        """Count Dense layers, and two values for each channel of a layer norm."""
        stem, token, channel = self._dense(inputs)
        block = token + channel + 4 * self.width
        return stem + self.depth * block + 2 * self.width + dense_parameters(self.width, classes)

    def count_products(self, inputs: int, classes: int) -> int:
        """Count each weight as often as it is used: for every channel, or for every patch."""
        tokens = self.patches_along(inputs) ** 2
        stem, token, channel = self._dense(inputs)
        block = self.width * token + tokens * channel
        return tokens * stem + self.depth * block + dense_parameters(self.width, classes)

    def count_activations(self, inputs: int) -> int:
        """Count what each block keeps: what its layers receive and return."""
        tokens = self.patches_along(inputs) ** 2
        inner = self.width * self.token_width + tokens * self.channel_width
        return self.depth * (2 * inner + 6 * tokens * self.width)

    def count_layers(self) -> int:
        """Count the linear layer, and four layers in each block."""
        return 1 + 4 * self.depth

    def describe(self) -> list[str]:
        """Such as `mixer 8x128`, `patch 4`, `token 64`, `channel 512`, `drop path 0.1`."""
        sizes = [
            f"patch {self.patch}",
            f"token {self.token_width}",
            f"channel {self.channel_width}",
        ]
        drops = [f"drop path {self.drop_path:g}"] if self.drop_path else []
        return [f"mixer {self.depth}x{self.width}", *sizes, *drops]

    def check(self, side: int) -> None:
        """Refuse too many blocks, and patches that do not cover the images exactly."""
        super().check(side)
        if side % self.patch:
            fitting = [n for n in range(1, side + 1) if side % n == 0]
            raise ConfigError(
                f"a model.patch that divides the {side} pixels of an image's side: "
                + ", ".join(map(str, fitting)),
                f"model.patch={self.patch}, which leaves {side % self.patch} pixels over",
                f"choose model.patch={min(fitting, key=lambda n: abs(n - self.patch))}",
            )

    def _dense(self, inputs: int) -> tuple[int, int, int]:
        """Return the parameters of the first layer and of a block's two MLPs."""
        tokens = self.patches_along(inputs) ** 2
        return (
            dense_parameters(3 * self.patch**2, self.width),
            dense_parameters(tokens, self.token_width, tokens),
            dense_parameters(self.width, self.channel_width, self.width),
        )
