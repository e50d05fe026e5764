"""Compose groups and overrides into one checked config, with Hydra."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from mlptrain.augmentations import neutral_values
from mlptrain.config.command_line import CommandLine
from mlptrain.config.location import CONF, groups
from mlptrain.config.messages import first_line, hydra_errors, override_error
from mlptrain.config.nesting import DEEPEST, depth, is_printable
from mlptrain.config.overrides import parse_overrides, text_of, texts_of
from mlptrain.config.schema import Config
from mlptrain.config.validation import validate
from mlptrain.datasets import Inventories, complete, is_complete
from mlptrain.errors import ConfigError
from mlptrain.formatting import typed_override
from mlptrain.paths import existing_path

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_DECIMAL_COMMA = re.compile(r"=\d,\d+$")


@dataclass(frozen=True)
class Composed:
    """A checked config and how it came about.

    Attributes:
        config: the typed config.
        overrides: the overrides that it was composed with, in their normal spelling.
        hydra: Hydra's own part as YAML text, for `.hydra/hydra.yaml`.
    """

    config: Config
    overrides: list[str]
    hydra: str = ""


def compose(
    overrides: Sequence[str | Override],
    inventories: Inventories | None = None,
    *,
    to_train: bool = True,
) -> Composed:
    """Compose the groups with the overrides and check the result.

    Args:
        overrides: texts, or parsed ones (`parse_overrides`).
        inventories: of images that a grid has looked at already; see `checked`.
        to_train: see `validate`.

    Raises:
        ConfigError: anything is wrong with an override or with the composed config.
    """
    parsed = parse_overrides(overrides)
    files, settings = _split(parsed)
    composed = _composed(files)
    config = _with_settings(composed, settings)
    return Composed(checked(config, inventories, to_train), *_record(composed, parsed))


def compose_like(base: Mapping[str, Any], overrides: Sequence[str | Override]) -> Composed:
    """Lay overrides on an earlier run's config; one of a group replaces that part of it.

    Args:
        base: content of `config` in the run's `run.json`.
        overrides: as for `compose`.

    Raises:
        ConfigError: as `compose`; also for `experiment` and `debug`, which change many parts,
            and for a base that is not a resolved config.
    """
    parsed = parse_overrides(overrides)
    for override in parsed:
        group = override.key_or_group
        if group in ("experiment", "debug") or (override.is_delete() and group in groups()):
            raise ConfigError(
                "--like with overrides of single groups or keys",
                text_of(override),
                "leave out --like, or name the groups it changes one by one",
            )
    files, settings = _split(parsed)
    fresh = _composed(files)
    config = OmegaConf.create(_without_interpolations(base))
    if isinstance(earlier := config.get("augmentation"), DictConfig):  # may lack later keys
        config.augmentation = {**neutral_values(), **earlier}
    for override in parsed:
        if (group := override.key_or_group) in groups():
            config[group] = fresh[group]
    OmegaConf.set_struct(config, True)
    config = _with_settings(config, settings)
    return Composed(checked(config), *_record(fresh, parsed))


def compose_one(
    line: CommandLine, earlier: Mapping[str, Any] | None = None, *, to_train: bool = True
) -> Composed:
    """Compose the config of one run.

    Args:
        line: the command line.
        earlier: content of an earlier run's `run.json`, whose config is the base instead of the
            groups' defaults.
        to_train: see `validate`.

    Raises:
        ConfigError: the overrides or the config are wrong, or they ask for many runs.
    """
    line.require_one_run()
    overrides = (*line.hydra, *line.overrides)
    for override in overrides:
        if override.is_sweep_override():
            raise _not_one_value(override, overrides)
    if earlier is None:
        return compose(overrides, to_train=to_train)
    return compose_like(earlier.get("config", {}), overrides)


def compose_hydra(line: CommandLine) -> DictConfig:
    """Compose Hydra's own part of the config, with the launcher.

    Raises:
        ConfigError: there is no such launcher or setting.
    """
    composed = _composed(line.hydra)
    return copy.deepcopy(composed.hydra)  # the composed one is cached


def _not_one_value(override: Override, overrides: Sequence[Override]) -> ConfigError:
    typed = text_of(override)
    action = f"train the grid with -m: mlptrain -m {' '.join(texts_of(overrides))}"
    point = typed.replace(",", ".")
    if _DECIMAL_COMMA.search(typed) and _composes(point):
        action = f"did you mean {point}? For a grid: mlptrain -m {typed}"
    key, _, value = typed.partition("=")
    if existing_path(value):
        action = f"quote the value, for the shell too: {typed_override(key, value)}"
    return ConfigError(f"one value for {override.key_or_group}", typed, action)


def _composes(override: str) -> bool:
    try:
        compose([override])
    except ConfigError:
        return False
    return True


def _split(parsed: Sequence[Override]) -> tuple[list[Override], list[Override]]:
    """Split off the overrides that choose files (and Hydra's own settings)."""
    files: list[Override] = []
    settings: list[Override] = []
    for override in parsed:
        key = override.key_or_group
        (files if key in groups() or key.startswith("hydra") else settings).append(override)
    return files, settings


def _with_settings(config: DictConfig, settings: Sequence[Override]) -> DictConfig:
    """A copy of the config with the overrides applied, by the code that Hydra itself uses."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    config = copy.deepcopy(config)
    try:
        ConfigLoaderImpl._apply_overrides_to_config(list(settings), config)
    except hydra_errors() as error:
        raise override_error(config, texts_of(settings), error) from None
    return config


def _record(composed: DictConfig, parsed: Sequence[Override]) -> tuple[list[str], str]:
    """The overrides, and Hydra's own part with them where Hydra keeps them."""
    overrides = texts_of(parsed)
    part = OmegaConf.masked_copy(composed, ["hydra"])
    part.hydra.overrides.task = [o for o in overrides if not o.startswith("hydra")]
    return overrides, OmegaConf.to_yaml(part)


def _without_interpolations(base: Mapping[str, Any]) -> dict[str, Any]:
    """Check a base that may be untrusted: OmegaConf would resolve a `${…}` in it."""
    problem = None
    if not isinstance(base, Mapping):
        problem = repr(base)[:80]
    elif depth(base) > DEEPEST:
        problem = f"a config of more than {DEEPEST} levels"
    elif not is_printable(base):
        problem = "a config with control codes in it"
    elif "${" in json.dumps(base):
        problem = "a config with ${…}"
    if problem is not None:
        raise ConfigError(
            "the resolved config of a run, without ${…}",
            problem,
            "use the folder of a run that mlptrain wrote",
        )
    return dict(base)


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
    return validate(plain, to_train=to_train)


def _plain(composed: DictConfig) -> dict[str, Any]:
    """Everything but Hydra's part as plain dicts and lists, interpolations resolved."""
    keys = [str(key) for key in composed if key != "hydra"]
    try:
        resolved = OmegaConf.to_container(
            OmegaConf.masked_copy(composed, keys), resolve=True, throw_on_missing=True
        )
    except hydra_errors() as error:
        raise ConfigError(
            "interpolations that can be resolved, and a value for every key",
            first_line(error),
            "correct the override that holds ${…} or ???",
        ) from None
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def store_neutral_values() -> None:
    """Give Hydra the config `augmentation_off`, which `config.yaml` includes."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store("augmentation_off", {"augmentation": neutral_values()})


@contextmanager
def _hydra(conf: Path) -> Iterator[Any]:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    store_neutral_values()
    # Inside a Hydra job (a sweep's cell) the global Hydra belongs to the sweep: put it back.
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
            yield hydra_compose
    finally:
        GlobalHydra.instance().hydra = before


def _composed(chosen: Sequence[Override]) -> DictConfig:
    return _composed_from(CONF, tuple(texts_of(chosen)))


@cache
def _composed_from(conf: Path, chosen: tuple[str, ...]) -> DictConfig:
    """Compose the chosen files; a grid composes each combination of files only once."""
    with _hydra(conf) as hydra_compose:
        try:
            return hydra_compose("config", overrides=list(chosen), return_hydra_config=True)
        except hydra_errors() as error:
            raise override_error(OmegaConf.create(), chosen, error) from None
