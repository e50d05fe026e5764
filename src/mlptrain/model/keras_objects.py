"""Activations and initializers of the config as Keras objects."""

import keras

from mlptrain.config.registry import ACTIVATIONS, INITIALIZERS
from mlptrain.config.schema import NamedNode


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
