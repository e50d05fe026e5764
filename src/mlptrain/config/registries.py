"""All registries in one place: group → name → what it stands for and may hold."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, create_model

from mlptrain.config.activations import ACTIVATIONS
from mlptrain.config.choices import STRICT, Choice
from mlptrain.config.initializers import INITIALIZERS
from mlptrain.config.optimizers import OPTIMIZERS
from mlptrain.config.schedules import SCHEDULES

REGISTRIES: dict[str, dict[str, Choice]] = {
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}


@cache
def _schema_of(group: str, name: str) -> type[BaseModel]:
    parameters = REGISTRIES[group][name].parameters or {}
    fields: dict[str, Any] = {key: (kind, ...) for key, kind in parameters.items()}
    return create_model(f"{group}_{name}", __config__=STRICT, name=(str, ...), **fields)


def check_choice(group: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """The node with its parameters checked against the registry's entry for `node["name"]`.

    Raises:
        pydantic.ValidationError: a parameter is missing, unknown, mistyped or out of range.
    """
    return _schema_of(group, node["name"]).model_validate(dict(node)).model_dump()
