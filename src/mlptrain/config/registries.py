"""All registries in one place: group → name → what it stands for."""

from __future__ import annotations

from mlptrain.config.activations import ACTIVATIONS
from mlptrain.config.choices import Choice
from mlptrain.config.initializers import INITIALIZERS
from mlptrain.config.optimizers import OPTIMIZERS
from mlptrain.config.schedules import SCHEDULES

REGISTRIES: dict[str, dict[str, Choice]] = {
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
