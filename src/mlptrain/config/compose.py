"""Compose groups and overrides into one checked config, with Hydra."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from mlptrain.config.command_line import CommandLine
from mlptrain.config.hydra_files import hydra_part
from mlptrain.config.layers import Layered, compose_layers
from mlptrain.config.messages import first_line, hydra_errors
from mlptrain.config.overrides import parse_overrides, text_of, texts_of
from mlptrain.config.schema import Config
from mlptrain.config.sizes import check_memory
from mlptrain.config.validation import validate
from mlptrain.datasets import Inventories, complete, is_complete
from mlptrain.errors import ConfigError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_DECIMAL_COMMA = re.compile(r"=\d,\d+$")


@dataclass(frozen=True)
class Composed:
    """A checked config and how it came about.

    Attributes:
        config: the typed config.
        overrides: the overrides that it was composed with, in their normal spelling.
        layered: what was composed, before it was checked.
    """

    config: Config
    overrides: list[str]
    layered: Layered

    def hydra_yaml(self) -> str:
        """Return the text of `.hydra/hydra.yaml`."""
        return OmegaConf.to_yaml(OmegaConf.create({"hydra": self.layered.hydra()}))


def compose(
    overrides: Sequence[str | Override],
    inventories: Inventories | None = None,
    base: Mapping[str, Any] | None = None,
    *,
    to_train: bool = True,
) -> Composed:
    """Compose the groups with the overrides and check the result.

    Args:
        overrides: texts, or parsed ones (`parse_overrides`).
        inventories: of images that a grid has looked at already; see `checked`.
        base: content of `config` in an earlier run's `run.json`, to start from instead of the
            defaults; see `compose_layers`.
        to_train: see `validate`.

    Raises:
        ConfigError: anything is wrong with an override, with the composed config or with the base.
    """
    parsed = parse_overrides(overrides)
    layered = compose_layers(parsed, base)
    return Composed(checked(layered.config, inventories, to_train), texts_of(parsed), layered)


def compose_one(line: CommandLine, *, to_train: bool = True) -> Composed:
    """Compose the config of one run.

    Args:
        line: the command line.
        to_train: see `validate`.

    Raises:
        ConfigError: the overrides or the config are wrong, or they ask for many runs.
    """
    line.require_one_run()
    return compose(require_one_value(line), base=line.base, to_train=to_train)


def require_one_value(line: CommandLine) -> Sequence[Override]:
    """Return all overrides of a command line that is not a sweep.

    Raises:
        ConfigError: one of them has several values.
    """
    overrides = (*line.hydra, *line.overrides)
    for override in overrides:
        if override.is_sweep_override():
            raise _not_one_value(override, line)
    return overrides


def compose_hydra(line: CommandLine) -> DictConfig:
    """Compose Hydra's own part of the config, with the launcher.

    Raises:
        ConfigError: there is no such launcher or setting.
    """
    return hydra_part(texts_of(line.hydra))


def _not_one_value(override: Override, line: CommandLine) -> ConfigError:
    typed = text_of(override)
    key, _, value = typed.partition("=")
    grid = f"mlptrain -m {' '.join(texts_of((*line.hydra, *line.overrides)))}"
    action = f"train the grid with -m: {grid}"
    if line.command != "train":
        action = f"run `mlptrain {line.command}` once for each value"
    point = [typed.replace(",", ".")] if _DECIMAL_COMMA.search(typed) else []
    for meant in (*point, f"{key}=[{value}]"):
        if _composes(meant):
            is_grid = _composes(f"{key}={value.partition(',')[0]}")
            action = f"did you mean {meant}?" + f" For a grid: mlptrain -m {typed}" * is_grid
            break
    return ConfigError(f"one value for {override.key_or_group}", typed, action)


def _composes(override: str) -> bool:
    try:
        compose([override])
    except ConfigError:
        return False
    return True


def checked(
    composed: DictConfig, inventories: Inventories | None = None, to_train: bool = True
) -> Config:
    """Return the typed, checked config of a composed one, with the inventory of own images.

    Args:
        composed: the config as Hydra composed it.
        inventories: what is known of images already; gets what is taken now.
        to_train: see `validate`.

    Raises:
        ConfigError: anything is wrong with it.
    """
    plain = _plain(composed)
    if not is_complete(plain.get("data")):
        validate(plain, with_images=False)  # what else is wrong must not wait for the images
        plain["data"] = complete(plain["data"], inventories)
    config = validate(plain, to_train=to_train)
    if to_train:
        check_memory(config)
    return config


def _plain(composed: DictConfig) -> dict[str, Any]:
    """Return it as plain dicts and lists, interpolations resolved."""
    try:
        resolved = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except hydra_errors() as error:
        raise ConfigError(
            "interpolations that can be resolved, and a value for every key",
            first_line(error),
            "correct the override that holds ${…} or ???",
        ) from None
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}
