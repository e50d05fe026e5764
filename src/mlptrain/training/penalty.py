"""The L1/L2 penalty: its value and its gradient, each in one pass over the weights."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from mlptrain.config.schema import Regularization


def penalty(kernels: Sequence[keras.Variable], regularization: Regularization) -> tf.Tensor:
    """Return the penalty of the kernels, float32 (), as Keras's regularizers compute it."""
    total = tf.constant(0.0)
    for kernel in kernels:
        if regularization.l2:
            total += 2 * regularization.l2 * tf.nn.l2_loss(kernel.value)  # half the sum of squares
        if regularization.l1:
            total += regularization.l1 * tf.reduce_sum(tf.abs(kernel.value))
    return total


def add_penalty_gradient(
    gradient: tf.Tensor, kernel: keras.Variable, regularization: Regularization
) -> tf.Tensor:
    """Return the gradient of the loss with the penalty, from that without; shaped as the kernel."""
    if regularization.l2:
        gradient += 2 * regularization.l2 * kernel.value
    if regularization.l1:
        gradient += regularization.l1 * tf.sign(kernel.value)
    return gradient
