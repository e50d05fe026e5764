"""The exponential moving average of a network's weights."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


class WeightAverage:
    """Exponential moving average of a network's weights, batch norm's averages included.

    The first steps count less: decay min(ema, (1 + t) / (10 + t)) at step t, as in TensorFlow's
    `ExponentialMovingAverage` with `num_updates`.

    Args:
        weights: returns what is averaged, tensors in Keras's order; the average starts there.
        decay: `train.ema`, from 0 to 1.
    """

    def __init__(self, weights: Callable[[], list[tf.Tensor]], decay: float) -> None:
        self._weights = weights
        self._decay = decay
        self._average = [tf.Variable(weight) for weight in weights()]

    def update(self, step: tf.Tensor) -> None:
        """Take in the weights after the global step (int32, from 0), within the graph."""
        t = tf.cast(step, tf.float32)
        share = 1 - tf.minimum(self._decay, (1 + t) / (10 + t))
        for average, weight in zip(self._average, self._weights(), strict=True):
            average.assign_add(share * (weight - average))

    def state(self) -> list[np.ndarray]:
        """Return a copy of the average, float32 arrays in the order of the weights."""
        return [average.numpy() for average in self._average]

    def restore(self, state: list[np.ndarray]) -> None:
        """Put a copy back."""
        for average, value in zip(self._average, state, strict=True):
            average.assign(value)
