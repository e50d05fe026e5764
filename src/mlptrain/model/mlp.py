"""The multilayer perceptron: one set of layers, seen as a network and as a classifier."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from mlptrain.config.schema import Config
from mlptrain.config.sizes import CLASSES, FEATURES, IMAGE_SHAPE
from mlptrain.data.scaling import PixelStatistics
from mlptrain.model.keras_objects import activation_layer, initializer


@dataclass(frozen=True)
class MLP:
    """Two views of the same layers and weights.

    Attributes:
        scaling: uint8 (n, 3072) → float32 (n, 3072); no trainable and no counted parameters.
        network: scaled float32 (n, 3072) → logits float32 (n, 10).
        classifier: raw uint8 (n, 32, 32, 3) → probabilities (n, 10): what `model.keras` holds.
        penalised: the kernels under the L1/L2 penalty, those of the hidden layers.
    """

    scaling: keras.layers.Layer
    network: keras.Sequential
    classifier: keras.Sequential
    penalised: list[keras.Variable]


def build_mlp(config: Config, statistics: PixelStatistics | None) -> MLP:
    """Build the net of `config.model`.

    Each hidden layer is Dense, activation, BatchNormalization, Dropout, in the study's order;
    the output layer is always Glorot uniform without penalty. Layer i draws its weights from a
    seed of its own, so that a layer's start does not depend on the ones before.

    Args:
        config: the whole config.
        statistics: of the training split; needed for `data.scaling=standardize` only.
    """
    regularization = config.regularization
    penalty = None
    if regularization.l1 or regularization.l2:
        penalty = keras.regularizers.L1L2(regularization.l1, regularization.l2)
    limit = regularization.max_norm
    stack: list[keras.layers.Layer] = []
    kernels = []
    for index, width in enumerate(config.model.hidden):
        dense = keras.layers.Dense(
            width,
            kernel_initializer=initializer(config.initializer, config.seed + index),
            kernel_regularizer=penalty,
            kernel_constraint=None if limit is None else keras.constraints.MaxNorm(limit, axis=0),
            name=f"dense_{index + 1}",
        )
        kernels.append(dense)
        stack += [dense, activation_layer(config.activation)]
        if config.model.batch_norm:
            stack.append(keras.layers.BatchNormalization(name=f"batch_norm_{index + 1}"))
        if config.model.dropout:
            stack.append(
                keras.layers.Dropout(
                    config.model.dropout, seed=config.seed + index, name=f"dropout_{index + 1}"
                )
            )
    stack.append(
        keras.layers.Dense(
            CLASSES,
            kernel_initializer=keras.initializers.GlorotUniform(
                seed=config.seed + len(config.model.hidden)
            ),
            dtype="float32",  # logits keep full precision under mixed_bfloat16
            name="logits",
        )
    )
    scaling = _scaling_layer(config, statistics)
    network = keras.Sequential([keras.Input((FEATURES,)), *stack], name="network")
    classifier = keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE, dtype="uint8"),
            keras.layers.Flatten(dtype="float32"),
            scaling,
            *stack,
            keras.layers.Softmax(dtype="float32", name="probabilities"),
        ],
        name="mlp",
    )
    return MLP(scaling, network, classifier, [dense.kernel for dense in kernels])


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


def layer_table(network: keras.Sequential) -> list[tuple[str, str, int]]:
    """For people: (layer, output shape, parameters) of each layer."""
    rows, shape = [], (None, FEATURES)
    for layer in network.layers:
        shape = layer.compute_output_shape(shape)
        rows.append((layer.name, ", ".join(str(n) for n in shape[1:]), layer.count_params()))
    return rows
