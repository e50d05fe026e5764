"""Names of the config → Keras objects; the one place that turns one into the other."""

from __future__ import annotations

from typing import Any

import keras

from mlptrain.config.registry import REGISTRIES
from mlptrain.config.schema import NamedNode, Optimizer


def activation_layer(node: NamedNode) -> keras.layers.Layer:
    """A layer of its own for the activation, so that the saved model needs no code of ours."""
    name = REGISTRIES["activation"][node.name].keras
    if node.parameters:
        return getattr(keras.layers, str(name))(**node.parameters)
    return keras.layers.Activation(name)


def initializer(node: NamedNode, seed: int) -> keras.initializers.Initializer:
    """The initializer with its own random stream."""
    constructor = getattr(keras.initializers, str(REGISTRIES["initializer"][node.name].keras))
    return constructor(**node.parameters, **({} if node.name == "zeros" else {"seed": seed}))


def optimizer(node: Optimizer, clip_norm: float | None) -> keras.optimizers.Optimizer:
    """The optimizer at its base rate; `clip_norm` bounds the norm of the whole gradient."""
    constructor = getattr(keras.optimizers, str(REGISTRIES["optimizer"][node.name].keras))
    limit: dict[str, Any] = {} if clip_norm is None else {"global_clipnorm": clip_norm}
    known = node.parameters
    kernels_only = known.pop("decay_kernels_only", False)
    made = constructor(**known, **limit)
    if kernels_only:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # Keras sums the gradients over replicas, of which there is one, through `tf.custom_gradient`,
    # whose registry keeps every traced graph, and with it the weights, until the process ends:
    # a worker would grow by three copies of the model with each cell.
    made._all_reduce_sum_gradients = list
    return made
