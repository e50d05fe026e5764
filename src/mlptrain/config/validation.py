"""From a plain composed dict to a checked `Config`, or one readable error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mlptrain.config.checks import check_combinations
from mlptrain.config.problems import as_typed, readable
from mlptrain.config.registry import REGISTRIES, check_choice
from mlptrain.config.schema import Config
from mlptrain.config.spelling import did_you_mean
from mlptrain.errors import ConfigError


def validate(plain: Mapping[str, Any]) -> Config:
    """The typed config of a composed one.

    Raises:
        ConfigError: a key, type, range or combination is not allowed; says what was expected,
            what was received and what to do, for every problem found at once.
    """
    if not isinstance(plain, Mapping):
        raise ConfigError(
            "a config of keys and values", repr(plain)[:80], "compare it with `mlptrain --cfg job`"
        )
    checked = dict(plain)
    for group, entries in REGISTRIES.items():
        node = plain.get(group)
        if not isinstance(node, Mapping) or "name" not in node:
            raise ConfigError(
                f"{group} to be one of the choices of its group",
                f"{group}={as_typed(node)}",
                f"`mlptrain options {group}` lists them",
            )
        name = node["name"]
        if not isinstance(name, str) or name not in entries:
            raise ConfigError(
                f"{group}.name to be one of {', '.join(entries)}",
                f"{group}.name={as_typed(name)}",
                did_you_mean(
                    str(name), entries, f"{group}=", f"`mlptrain options {group}` describes each"
                ),
            )
        try:
            checked[group] = check_choice(group, node)
        except ValidationError as error:
            if any(problem["type"] == "missing" for problem in error.errors()):
                raise _incomplete(group, node) from None
            raise readable(error, plain, (group,)) from None
    try:
        config = Config.model_validate(checked)
    except ValidationError as error:
        raise readable(error, plain) from None
    check_combinations(config)
    return config


def _incomplete(group: str, node: Mapping[str, Any]) -> ConfigError:
    """The name was changed without its parameters, or a parameter was removed."""
    name = node["name"]
    own = REGISTRIES[group][name].keys()
    given = ", ".join(key for key in node if key != "name")
    return ConfigError(
        f"all keys of {group}={name}: {', '.join(own)}",
        f"{group}.name={name} with {given or 'no others'}",
        f"choose it with {group}={name}, which brings its keys, and remove none of them",
    )
