"""Why Hydra refused an override, said in terms of this config."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlptrain.config.location import groups
from mlptrain.config.registry import REGISTRIES
from mlptrain.config.spelling import did_you_mean, nearest
from mlptrain.errors import ConfigError

_SHOW_KEYS = "`mlptrain --cfg job` shows every key and its value"
_NO_CHOICE = re.compile(r"Could not find '(?P<group>[\w/]+)/(?P<choice>[^/']*)'")


def hydra_errors() -> tuple[type[Exception], ...]:
    """What Hydra and OmegaConf raise for a wrong override: their own, and Python's beside them."""
    from hydra.errors import HydraException

    return (HydraException, OmegaConfBaseException, ValueError, TypeError, RecursionError)


def refusal(config: DictConfig, overrides: Sequence[str], error: Exception) -> ConfigError:
    """The override that is to blame and what would be right, else Hydra's own words.

    Args:
        config: the composed config without the overrides of single values.
        overrides: the words, normalised.
        error: what Hydra raised.
    """
    keys = all_keys(config)
    for word in overrides:
        key = word.lstrip("+~").partition("=")[0]
        if word.startswith("+"):
            if key in keys and "Could not append" in str(error):
                return ConfigError(
                    f"{key} without +: the config has it", word, f"did you mean {word[1:]}?"
                )
            continue
        if key not in groups() and not key.startswith("hydra") and key not in keys:
            return _unknown_key(key, config, keys)
    return hydra_refusal(error)


def first_line(error: Exception) -> str:
    """The first line of an error's text; its type where there is none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def hydra_refusal(error: Exception) -> ConfigError:
    """Hydra's own words, with the choices where it lists them."""
    first = first_line(error)
    lines = [line.strip() for line in str(error).splitlines()]
    if match := _NO_CHOICE.search(first):
        group, choice = match["group"], match["choice"]
        heading = f"Available options in '{group}':"
        listed = lines[lines.index(heading) + 1 :] if heading in lines else []
        valid = list(takewhile(lambda line: line and not line.endswith(":"), listed))
        return ConfigError(
            f"{group} to be one of {', '.join(valid)}",
            f"{group}={choice}",
            did_you_mean(choice, valid, f"{group}=", otherwise="choose one of them"),
        )
    return ConfigError("overrides that Hydra can apply", first, _SHOW_KEYS)


def _unknown_key(key: str, config: DictConfig, keys: list[str]) -> ConfigError:
    parent, _, tail = key.rpartition(".")
    name = OmegaConf.select(config, f"{parent}.name") if parent in REGISTRIES else None
    if name in REGISTRIES.get(parent, ()):
        return _unknown_parameter(parent, tail, str(name), keys)
    siblings = [k.rpartition(".")[2] for k in keys if parent and k.rpartition(".")[0] == parent]
    expected = f"a key of {parent}: {', '.join(siblings)}" if siblings else "a key of the config"
    return ConfigError(expected, key, did_you_mean(key, keys, otherwise=_SHOW_KEYS))


def _unknown_parameter(group: str, parameter: str, name: str, keys: list[str]) -> ConfigError:
    """`optimizer.beta_1` with rmsprop: rmsprop's own keys, and who has beta_1."""
    own = REGISTRIES[group][name].keys()
    expected = f"a key of {group}={name}" + (f": {', '.join(own)}" if own else ", which has none")
    entries = REGISTRIES[group].items()
    owners = [other for other, entry in entries if parameter in (entry.parameters or {})]
    key = f"{group}.{parameter}"
    otherwise = f"`mlptrain options {group}` lists the choices"
    if owners:
        action = f"leave it out, or choose {group}={' or '.join(owners)}"
    elif own and (match := nearest(key, keys)) and match != f"{group}.name":
        action = f"did you mean {match}?"
    else:
        action = otherwise
    return ConfigError(expected, key, action)


def all_keys(config: DictConfig) -> list[str]:
    """Every dotted key of a config, inner nodes included."""
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
