"""Names in the config → Keras objects: the only place that turns one into the other."""

from __future__ import annotations

from typing import Any

import keras

from mlptrain.config.registry import ACTIVATIONS, INITIALIZERS, OPTIMIZERS
from mlptrain.config.schema import NamedNode, Optimizer


def activation_layer(node: NamedNode) -> keras.layers.Layer:
    """Return the activation as a layer, so that the saved model opens without mlptrain."""
    name = ACTIVATIONS[node.name].keras
    if node.parameters:
        return getattr(keras.layers, name)(**node.parameters)
    return keras.layers.Activation(name)


def initializer(node: NamedNode, seed: int) -> keras.initializers.Initializer:
    """Return the initializer; `seed` is the 32-bit word of its random stream."""
    constructor = getattr(keras.initializers, INITIALIZERS[node.name].keras)
    return constructor(**node.parameters, **({} if node.name == "zeros" else {"seed": seed}))


def make_optimizer(node: Optimizer, clip_norm: float | None) -> keras.optimizers.Optimizer:
    """Return the optimizer at its base rate; `clip_norm` bounds the norm of the whole gradient."""
    constructor = getattr(keras.optimizers, OPTIMIZERS[node.name].keras)
    limit: dict[str, Any] = {} if clip_norm is None else {"global_clipnorm": clip_norm}
    parameters = node.parameters
    kernels_only = parameters.pop("decay_kernels_only", False)
    optimizer = constructor(**parameters, **limit)
    if kernels_only:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # Keras sums the gradients over replicas, of which there is one, through `tf.custom_gradient`,
    # whose registry keeps every traced graph, and with it the weights, until the process ends:
    # a worker would grow by three copies of the model with each cell.
    optimizer._all_reduce_sum_gradients = list
    return optimizer
