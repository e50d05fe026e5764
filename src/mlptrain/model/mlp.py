"""The multilayer perceptron: one set of layers, seen as a network and as a classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from mlptrain.config.schema import Config, Pyramid, Residual
from mlptrain.config.sizes import class_names, features, image_shape
from mlptrain.data.scaling import PixelStatistics
from mlptrain.model.keras_objects import activation_layer, initializer
from mlptrain.random_streams import Kind, stream_word

Body = Callable[[Any], Any]
"""Scaled pixels float32 (n, features) → logits float32 (n, classes), of symbolic tensors."""


@dataclass(frozen=True)
class MLP:
    """Two views of the same layers and weights.

    Attributes:
        scaling: uint8 (n, features) → float32 alike; no trainable and no counted parameters.
        network: scaled float32 (n, features) → logits float32 (n, classes).
        classifier: raw uint8 (n, side, side, 3) → probabilities (n, classes): what `model.keras`
            holds. Of CIFAR-10 side is 32, features 3,072, classes 10.
        penalised: the kernels under the L1/L2 penalty, those of the hidden layers.
    """

    scaling: keras.layers.Layer
    network: keras.Model
    classifier: keras.Model
    penalised: list[keras.Variable]


def build_mlp(config: Config, statistics: PixelStatistics | None) -> MLP:
    """Build the net of `config.model`.

    The output layer is always Glorot uniform without penalty. Dense layer i draws its weights
    from a seed of its own, so that a layer's start does not depend on the ones before. Variables
    are float32; with `runtime.precision=mixed_bfloat16` the hidden layers compute in bfloat16.

    Args:
        config: the whole config.
        statistics: of the training split; needed for `data.scaling=standardize` only.
    """
    with _precision(config.runtime.precision):
        return _build(config, statistics)


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Layers made within follow Keras's dtype policy `policy`.

    Set here and not once for the process, because `clear_session` resets it without a word.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _build(config: Config, statistics: PixelStatistics | None) -> MLP:
    hidden = _HiddenLayers(config)
    model = config.model
    if isinstance(model, Residual):
        body = _residual(model, config, hidden)
    else:
        body = _pyramid(model, config, hidden)
    pixels = keras.Input((features(config.data),))
    network = keras.Model(pixels, body(pixels), name="network")
    scaling = _scaling_layer(config, statistics)
    images = keras.Input(image_shape(config.data), dtype="uint8")
    flatten = keras.layers.Flatten(dtype="float32")
    softmax = keras.layers.Softmax(dtype="float32", name="probabilities")
    views = [images]
    if config.augmentation.test_flip:
        views.append(keras.ops.flip(images, axis=2))
    scores = [softmax(body(scaling(flatten(view)))) for view in views]
    probabilities = scores[0] if len(scores) == 1 else keras.layers.Average(dtype="float32")(scores)
    classifier = keras.Model(images, probabilities, name="mlp")
    return MLP(scaling, network, classifier, [dense.kernel for dense in hidden.made])


class _HiddenLayers:
    """Makes the hidden Dense layers, which alone are under penalty and limit."""

    def __init__(self, config: Config) -> None:
        self._config = config
        regularization = config.regularization
        penalised = regularization.l1 or regularization.l2
        self._penalty = (
            keras.regularizers.L1L2(regularization.l1, regularization.l2) if penalised else None
        )
        limit = regularization.max_norm
        self._limit = None if limit is None else keras.constraints.MaxNorm(limit, axis=0)
        self.made: list[keras.layers.Dense] = []

    def dense(self, width: int, name: str) -> keras.layers.Dense:
        seed = stream_word(self._config.seed, Kind.WEIGHTS, len(self.made))
        layer = keras.layers.Dense(
            width,
            kernel_initializer=initializer(self._config.initializer, seed),
            kernel_regularizer=self._penalty,
            kernel_constraint=self._limit,
            name=name,
        )
        self.made.append(layer)
        return layer

    def logits(self) -> keras.layers.Dense:
        seed = stream_word(self._config.seed, Kind.WEIGHTS, len(self.made))
        return keras.layers.Dense(
            len(class_names(self._config.data)),
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
            dtype="float32",  # logits keep full precision under mixed_bfloat16
            name="logits",
        )


def _pyramid(model: Pyramid, config: Config, hidden: _HiddenLayers) -> Body:
    """Each hidden layer is Dense, activation, BatchNormalization, Dropout, as in the study."""
    stack: list[keras.layers.Layer] = []
    for index, width in enumerate(model.hidden):
        stack += [
            hidden.dense(width, f"dense_{index + 1}"),
            activation_layer(config.activation),
        ]
        if model.batch_norm:
            stack.append(keras.layers.BatchNormalization(name=f"batch_norm_{index + 1}"))
        if model.dropout:
            seed = stream_word(config.seed, Kind.DROPOUT, index)
            stack.append(
                keras.layers.Dropout(model.dropout, seed=seed, name=f"dropout_{index + 1}")
            )
    stack.append(hidden.logits())

    def body(x: Any) -> Any:
        for layer in stack:
            x = layer(x)
        return x

    return body


def _residual(model: Residual, config: Config, hidden: _HiddenLayers) -> Body:
    """x + contract(dropout(activation(expand(norm(x)))), block by block (Bachmann et al.)."""
    stem = hidden.dense(model.width, "stem")
    blocks: list[list[keras.layers.Layer]] = []
    for index in range(1, model.blocks + 1):
        block = [
            keras.layers.LayerNormalization(name=f"norm_{index}"),
            hidden.dense(model.expansion * model.width, f"expand_{index}"),
            activation_layer(config.activation),
        ]
        if model.dropout:
            seed = stream_word(config.seed, Kind.DROPOUT, index)
            block.append(keras.layers.Dropout(model.dropout, seed=seed, name=f"dropout_{index}"))
        block.append(hidden.dense(model.width, f"contract_{index}"))
        blocks.append(block)
    sums = [keras.layers.Add(name=f"sum_{index}") for index in range(1, model.blocks + 1)]
    norm = keras.layers.LayerNormalization(name="norm")
    logits = hidden.logits()

    def body(x: Any) -> Any:
        x = stem(x)
        for block, add in zip(blocks, sums, strict=True):
            inner = x
            for layer in block:
                inner = layer(inner)
            x = add([x, inner])
        return logits(norm(x))

    return body


def _scaling_layer(config: Config, statistics: PixelStatistics | None) -> keras.layers.Layer:
    if config.data.scaling == "minus_one_one":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="scaling")
    if config.data.scaling == "zero_one":
        return keras.layers.Rescaling(1 / 255, dtype="float32", name="scaling")
    assert statistics is not None
    # Constants given here are part of the layer's config: no variables, nothing to count.
    return keras.layers.Normalization(
        axis=-1,
        mean=statistics.mean.astype("float32"),
        variance=statistics.variance.astype("float32"),
        dtype="float32",
        name="scaling",
    )


def layer_table(network: keras.Model) -> list[tuple[str, str, int]]:
    """For people: (layer, output shape, parameters) of each layer."""
    return [
        (layer.name, ", ".join(str(n) for n in layer.output.shape[1:]), layer.count_params())
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
