"""From a plain composed dict to a checked `Config`, or one readable error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mlptrain.config.checks import check_combinations
from mlptrain.config.choices import check_choice
from mlptrain.config.registries import REGISTRIES
from mlptrain.config.schema import Config
from mlptrain.config.spelling import did_you_mean
from mlptrain.errors import ConfigError


def validate(plain: Mapping[str, Any]) -> Config:
    """The typed config of a composed one.

    Raises:
        ConfigError: a key, type, range or combination is not allowed; says what was expected,
            what was received and what to do, for every problem found at once.
    """
    checked = dict(plain)
    for group, entries in REGISTRIES.items():
        node = plain.get(group)
        if not isinstance(node, Mapping) or "name" not in node:
            raise ConfigError(
                f"{group} to be one of the choices of its group",
                f"{group}={node!r}",
                f"`mlptrain options {group}` lists them",
            )
        if node["name"] not in entries:
            raise ConfigError(
                f"{group}.name to be one of {', '.join(entries)}",
                f"{group}.name={node['name']}",
                did_you_mean(str(node["name"]), entries, f"{group}="),
            )
        try:
            checked[group] = check_choice(group, node)
        except ValidationError as error:
            raise _readable(error, f"{group}.") from None
    try:
        config = Config.model_validate(checked)
    except ValidationError as error:
        raise _readable(error) from None
    check_combinations(config)
    return config


def _readable(error: ValidationError, prefix: str = "") -> ConfigError:
    problems = error.errors(include_url=False)
    expected, received = [], []
    for problem in problems:
        key = prefix + ".".join(str(part) for part in problem["loc"])
        expected.append(f"{key}: {_expectation(problem)}")
        received.append("nothing" if problem["type"] == "missing" else f"{key}={problem['input']}")
    keys = prefix or ", ".join(dict.fromkeys(str(p["loc"][0]) for p in problems)) + "."
    group = keys.split(".")[0].split(",")[0]
    return ConfigError(
        "; ".join(expected),
        "; ".join(received),
        f"change the value; `mlptrain --cfg job --package {group}` shows that part of the config",
    )


def _expectation(problem: Mapping[str, Any]) -> str:
    if problem["type"] == "extra_forbidden":
        return "no such key"
    if problem["type"] == "missing":
        return "a value"
    message: str = problem["msg"]
    if problem["type"].startswith("too_short"):
        return "at least one value, such as [512,256]"
    return message.removeprefix("Input should be ").removeprefix("a valid ")
