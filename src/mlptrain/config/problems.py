"""What pydantic found wrong with a config, in the words of the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mlptrain.config import schema
from mlptrain.config.spelling import did_you_mean
from mlptrain.errors import ConfigError, printable

_EXPECTED = {
    "missing": "a value",
    "too_short": "at least one value, such as [512,256]",
    "string_too_short": "some text",
    "string_type": "text",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "list_type": "a list, such as [512,256]",
}


_TAGS = {"model": "pyramid or residual", "data": "cifar10, cifar10_mini, folder or npz"}
_FILES = {"model": "model=mlp or model=residual", "data": "data=cifar10, data=folder or data=npz"}
"""Of the groups whose keys depend on their name: what it may be, and what brings the keys."""


def readable(
    error: ValidationError, plain: Mapping[str, Any], prefix: tuple[str, ...] = ()
) -> ConfigError:
    """All problems in one block; what to do about the first.

    Args:
        error: what pydantic raised.
        plain: the whole composed config.
        prefix: where in it the checked part stands.
    """
    expected, received, actions = [], [], []
    for problem in error.errors(include_url=False):
        path = (*prefix, *_without_tag(problem["loc"]))
        key = ".".join(str(part) for part in path)
        expected.append(f"{key}: {_expectation(problem)}")
        received.append(
            f"no {key}" if problem["type"] == "missing" else f"{key}={as_typed(problem['input'])}"
        )
        actions.append(_action(problem, key, _siblings(plain, path)))
    return ConfigError("; ".join(expected), "; ".join(received), actions[0])


def _without_tag(location: tuple[Any, ...]) -> tuple[Any, ...]:
    """`model.pyramid.hidden` → `model.hidden`: which kind of model or data is no key."""
    return (location[0], *location[2:]) if location[:1] in (("model",), ("data",)) else location


def as_typed(value: Any) -> str:
    """A value as the command line spells it; text that looks like something else in quotes."""
    if isinstance(value, str):
        value = printable(value[:200]) + "…" * (len(value) > 200)
        looks_typed = re.fullmatch(r"[-+.\deE]+|true|false|null|", value, re.IGNORECASE)
        return f'"{value}"' if looks_typed else value
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, default=str, ensure_ascii=False)


def _siblings(plain: Mapping[str, Any], path: tuple[Any, ...]) -> list[str]:
    """The keys beside the last one of a path."""
    node: Any = plain
    for part in path[:-1]:
        node = node[part] if isinstance(node, Mapping) and part in node else {}
    return [str(key) for key in node if key != path[-1]] if isinstance(node, Mapping) else []


def _expectation(problem: Mapping[str, Any]) -> str:
    kind = problem["type"]
    if kind == "extra_forbidden":
        return "no such key"
    if kind == "model_type":
        return f"its keys {', '.join(_keys_of(problem))}"
    if kind.startswith("union_tag"):
        return f"name: {_TAGS[problem['loc'][0]]}, with its keys"
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    message: str = problem["msg"].removeprefix("Input should be ")
    message = message.replace("False, True", "false, true")  # as YAML has them
    return message.replace("greater than or equal to", "at least").replace(
        "less than or equal to", "at most"
    )


def _action(problem: Mapping[str, Any], key: str, siblings: list[str]) -> str:
    kind, value = problem["type"], problem["input"]
    parent, _, tail = key.rpartition(".")
    before = f"{parent}." if parent else ""
    if kind == "extra_forbidden":
        remove = f"remove {key}; `mlptrain --cfg job` shows the keys there are"
        return did_you_mean(tail, siblings, before, otherwise=remove)
    if kind == "literal_error":
        valid = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        return did_you_mean(str(value), valid, f"{key}=", otherwise="choose one of them")
    if kind == "string_type" and type(value) in (int, float) and not tail.isdigit():
        return f"quote it, for the shell too: '{key}=\"{value}\"'"
    if kind == "list_type" and isinstance(value, str | int):
        return f"did you mean {key}=[{value}]?"
    # Its name is not there, or was changed alone.
    if kind.startswith("union_tag") or (kind == "missing" and parent in _FILES):
        group = parent if parent in _FILES else key
        return f"choose it with {_FILES[group]}, which bring their keys"
    if kind == "model_type":
        return f"set one of them, such as {key}.{_keys_of(problem)[0]}"
    package = f" --package {key.partition('.')[0]}" if parent else ""
    return f"correct the value; `mlptrain --cfg job{package}` shows the default"


def _keys_of(problem: Mapping[str, Any]) -> list[str]:
    node = getattr(schema, problem["ctx"]["class_name"])
    return list(node.model_fields)
