"""How many steps and parameters there are: known from the config alone."""

from __future__ import annotations

from mlptrain.config.schema import Config


def steps_per_epoch(config: Config) -> int:
    """Return the optimizer steps in an epoch; the last batch may be smaller, as in Keras."""
    return -(-config.data.split_sizes()["train"] // config.train.batch_size)


def parameter_count(config: Config) -> int:
    """Return how many parameters Keras counts in the net."""
    return config.model.count_parameters(config.data.features(), len(config.data.class_names()))
