"""Errors of Hydra and pydantic, in terms of this config and its command line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from mlptrain.augmentations import neutral_values
from mlptrain.callbacks import CALLBACKS
from mlptrain.config import location, schema
from mlptrain.config.location import groups
from mlptrain.config.registry import REGISTRIES
from mlptrain.config.spelling import did_you_mean, nearest
from mlptrain.errors import ConfigError, printable

if TYPE_CHECKING:  # readers of run folders validate without Hydra
    from omegaconf import DictConfig

_SHOW_KEYS = "`mlptrain --cfg job` shows every key and its value"
_NO_CHOICE = re.compile(r"Could not find '(?P<group>[\w/]+)/(?P<choice>[^/']*)'")

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


def validation_error(
    problems: Sequence[Mapping[str, Any]], plain: Mapping[str, Any]
) -> ConfigError:
    """Return all problems that pydantic found as one error, with what to do about the first.

    Args:
        problems: pydantic's `ErrorDetails`; each `loc` starts at the top of the config.
        plain: the whole composed config.
    """
    expected, received, actions = [], [], []
    for problem in problems:
        path = problem["loc"]
        key = ".".join(str(part) for part in path)
        siblings = _siblings(plain, path)
        if problem["type"] == "extra_forbidden":
            parent = key.rpartition(".")[0] or "the config"
            expected.append(f"a key of {parent}: {', '.join(siblings)}".rstrip(": "))
        else:
            expected.append(f"{key}: {_expectation(problem)}")
        received.append(
            f"no {key}" if problem["type"] == "missing" else f"{key}={as_typed(problem['input'])}"
        )
        actions.append(_action(problem, key, siblings))
    return ConfigError("; ".join(expected), "; ".join(received), actions[0])


def as_typed(value: Any) -> str:
    """Spell a value as on the command line; text that looks like another type is quoted."""
    if isinstance(value, str):
        value = printable(value[:200]) + "…" * (len(value) > 200)
        looks_typed = re.fullmatch(r"[-+.\deE]+|true|false|null|", value, re.IGNORECASE)
        return f'"{value}"' if looks_typed else value
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, default=str, ensure_ascii=False)


def _siblings(plain: Mapping[str, Any], path: tuple[Any, ...]) -> list[str]:
    """The other keys of the node that the path leads into."""
    node: Any = plain
    for part in path[:-1]:
        node = node[part] if isinstance(node, Mapping) and part in node else {}
    return [str(key) for key in node if key != path[-1]] if isinstance(node, Mapping) else []


def _expectation(problem: Mapping[str, Any]) -> str:
    kind = problem["type"]
    if kind == "model_type":
        return f"its keys {', '.join(_keys_of(problem))}".rstrip()
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
    if kind == "model_type" and (keys := _keys_of(problem)):
        return f"set one of them, such as {key}.{keys[0]}"
    package = f" --package {key.partition('.')[0]}" if parent else ""
    return f"correct the value; `mlptrain --cfg job{package}` shows the default"


def _keys_of(problem: Mapping[str, Any]) -> list[str]:
    if problem["loc"] == ("augmentation",):
        return list(neutral_values())
    if problem["loc"][:1] == ("callbacks",):
        names = problem["loc"][1:]
        return list(CALLBACKS[names[0]].model_fields if names else CALLBACKS)
    part = getattr(schema, problem["ctx"]["class_name"], None)  # None within a data set or a net
    return list(part.model_fields) if part else []


def hydra_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that Hydra and OmegaConf raise for a wrong override."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return (HydraException, OmegaConfBaseException, ValueError, TypeError, RecursionError)


def override_error(config: DictConfig, overrides: Sequence[str], error: Exception) -> ConfigError:
    """Return an error that names the wrong override and a correct one, else Hydra's own message."""
    keys = all_keys(config)
    for text in overrides:
        key = text.lstrip("+~").partition("=")[0]
        if text.startswith("+"):
            if key in keys and "Could not append" in str(error):
                return ConfigError(
                    f"{key} without +: the config has it", text, f"did you mean {text[1:]}?"
                )
            continue
        if key not in groups() and not key.startswith("hydra") and key not in keys:
            return unknown_key(key, config, keys)
    return hydra_error(error)


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type if it has no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def hydra_error(error: Exception) -> ConfigError:
    """Return Hydra's own message, with the choices where it lists them."""
    first = first_line(error)
    lines = [line.strip() for line in str(error).splitlines()]
    if match := _NO_CHOICE.search(first):
        group, choice = match["group"], match["choice"]
        if group == "hydra/launcher" and choice in location.choices(location.LAUNCHER):
            extra = location.contents(location.LAUNCHER, choice)["extra"]
            return ConfigError(
                f"the package of {group}={choice} to be installed",
                "no such package",
                f"pip install 'mlptrain[{extra}]'" if extra else "install it with pip",
            )
        heading = f"Available options in '{group}':"
        listed = lines[lines.index(heading) + 1 :] if heading in lines else []
        valid = list(takewhile(lambda line: line and not line.endswith(":"), listed))
        return ConfigError(
            f"{group} to be one of {', '.join(valid)}",
            f"{group}={choice}",
            did_you_mean(choice, valid, f"{group}=", otherwise="choose one of them"),
        )
    if setting := re.search(r"hydra\.launcher\.[^\s']+", first):
        return ConfigError(
            "a setting that the launcher has, with a value of its type",
            setting[0],
            "`mlptrain --cfg hydra --package hydra.launcher` shows them",
        )
    return ConfigError("overrides that Hydra can apply", first, _SHOW_KEYS)


def unknown_key(key: str, config: DictConfig, keys: list[str]) -> ConfigError:
    """Return an error that names the keys that there are."""
    from omegaconf import OmegaConf

    parent, _, tail = key.rpartition(".")
    name = OmegaConf.select(config, f"{parent}.name") if parent in REGISTRIES else None
    if name in REGISTRIES.get(parent, ()):
        return _unknown_parameter(parent, tail, str(name), keys)
    siblings = [k.rpartition(".")[2] for k in keys if parent and k.rpartition(".")[0] == parent]
    expected = f"a key of {parent}: {', '.join(siblings)}" if siblings else "a key of the config"
    return ConfigError(expected, key, did_you_mean(key, keys, otherwise=_SHOW_KEYS))


def _unknown_parameter(group: str, parameter: str, name: str, keys: list[str]) -> ConfigError:
    """`optimizer.beta_1` with rmsprop: list rmsprop's keys, and the choices that have beta_1."""
    valid = list(REGISTRIES[group][name].parameters)
    expected = f"a key of {group}={name}" + (
        f": {', '.join(valid)}" if valid else ", which has none"
    )
    entries = REGISTRIES[group].items()
    owners = [other for other, entry in entries if parameter in entry.parameters]
    key = f"{group}.{parameter}"
    otherwise = f"`mlptrain options {group}` lists the choices"
    if owners:
        action = f"leave it out, or choose {group}={' or '.join(owners)}"
    elif valid and (match := nearest(key, keys)) and match != f"{group}.name":
        action = f"did you mean {match}?"
    else:
        action = otherwise
    return ConfigError(expected, key, action)


def all_keys(config: DictConfig) -> list[str]:
    """Return every dotted key of a config, inner nodes included."""
    from omegaconf import DictConfig

    keys: list[str] = []

    def walk(node: DictConfig, prefix: str) -> None:
        for key in map(str, node):
            if key == "hydra":
                continue
            keys.append(f"{prefix}{key}")
            if isinstance(value := node._get_node(key), DictConfig) and not value._is_none():
                walk(value, f"{prefix}{key}.")

    walk(config, "")
    return keys
