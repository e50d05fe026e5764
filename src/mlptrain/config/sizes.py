"""How many images, steps and parameters: known from the config alone."""

from __future__ import annotations

from itertools import pairwise

from mlptrain.config.schema import Config, Data, Model, Residual

IMAGE_SHAPE = (32, 32, 3)
FEATURES = 32 * 32 * 3
CLASSES = 10

IMAGES = {"cifar10": (50_000, 10_000), "cifar10_mini": (2_000, 500)}
"""name → (training, test) images of the source, before `data.limit`."""


def split_sizes(data: Data) -> dict[str, int]:
    """Images in `train`, `validation` and `test`.

    `limit` keeps the first images of the training and of the test set; validation is then the
    first `validation_fraction` of the training set, as in the study.
    """
    train, test = IMAGES[data.name]
    if data.limit is not None:
        train, test = min(train, data.limit), min(test, data.limit)
    # Rounded first: 0.29 * 100 is 28.999… in binary floating point.
    validation = int(round(train * data.validation_fraction, 6))
    return {"train": train - validation, "validation": validation, "test": test}


def steps_per_epoch(config: Config) -> int:
    """Optimizer steps in an epoch; the last batch may be smaller, as in Keras."""
    return -(-split_sizes(config.data)["train"] // config.train.batch_size)


def parameter_count(model: Model) -> int:
    """What Keras counts: kernels and biases, and of norms four (batch) or two (layer) a unit."""
    if isinstance(model, Residual):
        width, inner = model.width, model.expansion * model.width
        block = 2 * width + _dense(width, inner, width)
        return _dense(FEATURES, width) + model.blocks * block + 2 * width + _dense(width, CLASSES)
    return _dense(FEATURES, *model.hidden, CLASSES) + (
        4 * sum(model.hidden) if model.batch_norm else 0
    )


def _dense(*widths: int) -> int:
    """Kernels and biases between layers of these widths."""
    return sum(n * m + m for n, m in pairwise(widths))


def units(model: Model) -> int:
    """Hidden units, for what is computed unit by unit."""
    if isinstance(model, Residual):
        return model.width + model.blocks * (1 + model.expansion) * model.width
    return sum(model.hidden)


def layers(model: Model) -> int:
    """Hidden layers."""
    return 1 + 2 * model.blocks if isinstance(model, Residual) else len(model.hidden)
