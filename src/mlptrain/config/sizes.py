"""How many steps and parameters there are, and what memory they take: known from the config."""

from mlptrain.config.schema import Config
from mlptrain.config.spelling import spelled
from mlptrain.errors import ConfigError
from mlptrain.limits import total_memory


def steps_per_epoch(config: Config) -> int:
    """Return the optimizer steps in an epoch; the last batch may be smaller, as in Keras."""
    return -(-config.data.split_sizes()["train"] // config.train.batch_size)


def parameter_count(config: Config) -> int:
    """Return how many parameters Keras counts in the net."""
    return config.model.count_parameters(config.data.features(), len(config.data.class_names()))


def training_floats(config: Config, copies: int) -> int:
    """Return how many values weights and batches take in training.

    Args:
        config: of the run.
        copies: of the weights, such as gradients and moments.
    """
    size = config.data.features()
    batch = min(config.train.batch_size, config.data.split_sizes()["train"])
    each = 4 * size + config.model.count_activations(size)
    return copies * parameter_count(config) + batch * each


def scoring_batch(config: Config, most: int = 1_000) -> int:
    """Return how many images are scored at once, `most` unless their activations need 1 GiB."""
    size = config.data.features()
    return max(1, min(most, 2**28 // (size + config.model.count_activations(size))))


def check_memory(config: Config) -> None:
    """Refuse a net whose weights, gradients and activations this machine cannot hold.

    Raises:
        ConfigError: with the memory that it takes at least, and that there is.
    """
    needed, there_is = 4 * training_floats(config, copies=2), total_memory()
    if needed <= there_is:
        return
    sizes = [f"model.{key}={spelled(value)}" for key, value in config.model if key != "name"]
    raise ConfigError(
        f"a net that fits into {there_is / 2**30:,.1f} GiB, the memory of this machine",
        f"{parameter_count(config):,} parameters and batches of {config.train.batch_size}, "
        f"which take at least {needed / 2**30:,.1f} GiB ({' '.join(sizes)})",
        "choose a smaller net, or a lower train.batch_size",
    )
