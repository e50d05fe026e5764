"""Optimizers from the config: Keras's, corrected where its own differ from their papers."""

import re
from typing import Any

import keras

from mlptrain.config.registry import OPTIMIZERS
from mlptrain.config.schema import Optimizer


class ScheduleFreeAdamW(keras.optimizers.ScheduleFreeAdamW):
    """Keras's optimizer with the weight decay and the average of its authors' code.

    The algorithm of Defazio et al. ("The Road Less Scheduled", 2024) has three points: z takes the
    steps, x is the weighted average of z that is evaluated, and the network's variables, at which
    gradients are taken, are y = (1 - beta_1) z + beta_1 x. Keras keeps y and z and derives x.

    In Keras 3.15, weight decay shrinks x and spares z, and every step counts the same in x. Here,
    as in the authors' `schedule_free` package, z is decayed, and a step counts as the square of
    the highest rate up to it, so that the steps of a warm-up count little.
    """

    def build(self, variables: list[keras.Variable]) -> None:
        """Make z and the second moments as Keras does, and two sums of rates."""
        if self.built:
            return
        super().build(variables)
        self._highest_rate = self.add_variable((), name="highest_rate")
        self._sum_of_squares = self.add_variable((), name="sum_of_squares")

    def apply(self, grads: list[Any], trainable_variables: Any = None) -> None:
        """Take one step; the optimizer must be built."""
        self._highest_rate.assign(keras.ops.maximum(self._highest_rate, self.learning_rate))
        self._sum_of_squares.assign_add(keras.ops.square(self._highest_rate))
        super().apply(grads, trainable_variables)

    def averaged(self, variable: Any) -> Any:
        """Return x for a network's variable that holds y, of the same shape."""
        z = self._momentums[self._get_variable_index(variable)]
        return (variable - (1 - self.beta_1) * z) / self.beta_1

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Let Keras move z and the second moment, then set y from z and the new average."""
        x = self.averaged(variable)
        super().update_step(gradient, variable, learning_rate)
        z = self._momentums[self._get_variable_index(variable)]
        share = keras.ops.divide_no_nan(keras.ops.square(self._highest_rate), self._sum_of_squares)
        self.assign(variable, (1 - self.beta_1) * z + self.beta_1 * (x + share * (z - x)))

    def _apply_weight_decay(self, variables: list[keras.Variable]) -> None:
        for variable in variables if self.weight_decay else []:
            if self._use_weight_decay(variable):
                step = self.learning_rate * self.weight_decay * variable
                z = self._momentums[self._get_variable_index(variable)]
                self.assign_sub(z, step)
                self.assign_sub(variable, (1 - self.beta_1) * step)  # x stays as it is


def make_optimizer(
    node: Optimizer, clip_norm: float | None, network: keras.Model
) -> keras.optimizers.Optimizer:
    """Return the optimizer of the config, built for the network, at its base rate.

    Args:
        node: the config's `optimizer`.
        clip_norm: bounds the norm of the whole gradient; None does not.
        network: whose variables it will update.
    """
    parameters = node.parameters
    kernels_only = parameters.pop("decay_kernels_only", False)
    constructor = getattr(keras.optimizers, OPTIMIZERS[node.name].keras)
    if constructor is keras.optimizers.ScheduleFreeAdamW:
        constructor = ScheduleFreeAdamW
    if constructor is keras.optimizers.Muon:
        parameters["adam_weight_decay"] = parameters["weight_decay"]
        parameters["exclude_layers"] = [f"^{re.escape(path)}$" for path in _end_kernels(network)]
    if clip_norm is not None:
        parameters["global_clipnorm"] = clip_norm
    optimizer = constructor(**parameters)
    if kernels_only:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # Keras sums the gradients over replicas, of which there is one, through `tf.custom_gradient`,
    # whose registry keeps every traced graph, and with it the weights, until the process ends:
    # a worker would grow by three copies of the model with each cell.
    optimizer._all_reduce_sum_gradients = list
    optimizer.build(network.trainable_variables)
    return optimizer


def _end_kernels(network: keras.Model) -> list[str]:
    """Return the paths of the kernels of the first layers and of the last ones.

    Muon is for hidden weights only: its author trains "the input and output layers" and everything
    that is no matrix with AdamW (https://kellerjordan.github.io/posts/muon/). A layer is a first
    one if no kernel comes before it, and a last one if none comes after it.
    """
    layers = [layer for layer in network.layers if hasattr(layer, "kernel")]
    before = {
        layer.name: {
            other.name
            for other in keras.Model(network.input, layer.input).layers
            if hasattr(other, "kernel")
        }
        for layer in layers
    }
    inner = set().union(*before.values())
    return [
        layer.kernel.path for layer in layers if not before[layer.name] or layer.name not in inner
    ]


def optimizer_to_save(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return the optimizer for `model.keras`, of a class that plain Keras knows.

    That of ScheduleFreeAdamW starts afresh: its average is at the weights, which are the averaged
    ones when a model is saved.
    """
    if not isinstance(optimizer, ScheduleFreeAdamW):
        return optimizer
    fresh = keras.optimizers.ScheduleFreeAdamW.from_config(optimizer.get_config())
    fresh.build(optimizer._trainable_variables)
    return fresh
