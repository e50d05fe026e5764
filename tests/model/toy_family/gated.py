"""A toy family of nets: two hidden layers side by side, multiplied."""

from typing import Literal

from mlptrain.families.family import Family, dense_parameters
from mlptrain.ranges import PositiveInt


class Model(Family):
    """Two layers of one width, one of which gates the other."""

    to_shorten = "it has two layers only"
    name: Literal["gated"]
    width: PositiveInt

    def build(self, make):
        import keras

        value, gate = make.dense(self.width, "value"), make.dense(self.width, "gate")
        slopes, logits = keras.layers.PReLU(name="slopes"), make.logits()
        product = keras.layers.Multiply(name="product")
        return lambda x: logits(product([value(x), slopes(gate(x))]))

    def count_parameters(self, inputs, classes):
        ends = 2 * dense_parameters(inputs, self.width) + dense_parameters(self.width, classes)
        return ends + self.width

    def count_layers(self):
        return 2

    def describe(self):
        return [f"{self.width} gated"]
