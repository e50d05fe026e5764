"""Groups and overrides → one plain config, with Hydra; its errors become readable ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlptrain.config.identity import completed
from mlptrain.config.location import CONF, groups
from mlptrain.config.nesting import DEEPEST, depth, is_printable
from mlptrain.config.overrides import check_spelling, normalise
from mlptrain.config.refusals import first_line, hydra_errors, refusal
from mlptrain.config.schema import Config
from mlptrain.config.validation import validate
from mlptrain.errors import ConfigError
from mlptrain.images.inventory import look


@dataclass(frozen=True)
class Composed:
    """A checked config and how it came about.

    Attributes:
        config: the typed config.
        overrides: the command line's words, normalised.
        hydra: Hydra's own part as YAML text, for `.hydra/hydra.yaml`.
    """

    config: Config
    overrides: list[str]
    hydra: str = ""


def compose(words: Sequence[str]) -> Composed:
    """Compose the groups with the overrides and check the result.

    Raises:
        ConfigError: anything is wrong with an override or with the composed config.
    """
    overrides = normalise(words)
    chosen, values = _split(check_spelling(overrides))
    composed = _composed(tuple(chosen))
    config = _with_values(composed, values)
    return Composed(checked(config), overrides, _hydra_yaml(composed, overrides))


def compose_like(base: Mapping[str, Any], words: Sequence[str]) -> Composed:
    """An earlier run's config with overrides on top; a group override replaces the group's part.

    Raises:
        ConfigError: as `compose`; also for `experiment` and `debug`, which change many parts,
            and for a base that is no resolved config.
    """
    overrides = normalise(words)
    parsed = check_spelling(overrides)
    for override in parsed:
        group = override.key_or_group
        if group in ("experiment", "debug") or (override.is_delete() and group in groups()):
            raise ConfigError(
                "--like with overrides of single groups or keys",
                override.input_line,
                "leave out --like, or name the groups it changes one by one",
            )
    chosen, values = _split(parsed)
    fresh = _composed(tuple(chosen))
    config = OmegaConf.create(completed(_without_interpolations(base)))
    for override in parsed:
        if (group := override.key_or_group) in groups():
            config[group] = fresh[group]
    OmegaConf.set_struct(config, True)
    config = _with_values(config, values)
    return Composed(checked(config), overrides, _hydra_yaml(fresh, overrides))


def compose_launcher(words: Sequence[str]) -> DictConfig:
    """Hydra's node of the launcher, with Hydra's own words applied.

    Raises:
        ConfigError: there is no such launcher or setting.
    """
    return _composed(tuple(words)).hydra.launcher


def _split(parsed: Sequence[Any]) -> tuple[list[str], list[str]]:
    """The words that choose files (and Hydra's own settings), and those that set values."""
    chosen: list[str] = []
    values: list[str] = []
    for override in parsed:
        key = override.key_or_group
        chooses = key in groups() or key.startswith("hydra")
        (chosen if chooses else values).append(override.input_line)
    return chosen, values


def _with_values(config: DictConfig, values: Sequence[str]) -> DictConfig:
    """A copy of the config with the values set, by the code that Hydra itself uses."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.override_parser.overrides_parser import OverridesParser

    config = copy.deepcopy(config)
    try:
        parsed = OverridesParser.create().parse_overrides(list(values))
        ConfigLoaderImpl._apply_overrides_to_config(parsed, config)
    except hydra_errors() as error:
        raise refusal(config, values, error) from None
    return config


def _hydra_yaml(composed: DictConfig, overrides: Sequence[str]) -> str:
    """Hydra's own part, with all the words where Hydra keeps them."""
    part = OmegaConf.masked_copy(composed, ["hydra"])
    part.hydra.overrides.task = [word for word in overrides if not word.startswith("hydra")]
    return OmegaConf.to_yaml(part)


def _without_interpolations(base: Mapping[str, Any]) -> dict[str, Any]:
    """The base as it is; it may be a stranger's, and `${…}` in it would be acted upon."""
    wrong = None
    if not isinstance(base, Mapping):
        wrong = repr(base)[:80]
    elif depth(base) > DEEPEST:
        wrong = f"a config of more than {DEEPEST} levels"
    elif not is_printable(base):
        wrong = "a config with control codes in it"
    elif "${" in json.dumps(base):
        wrong = "a config with ${…}"
    if wrong is not None:
        raise ConfigError(
            "the resolved config of a run, without ${…}",
            wrong,
            "use the folder of a run that mlptrain wrote",
        )
    return dict(base)


def checked(composed: DictConfig) -> Config:
    """The typed config of a composed one, own images looked at.

    Raises:
        ConfigError: anything is wrong with it.
    """
    return validate(look(_plain(composed)))


def _plain(composed: DictConfig) -> dict[str, Any]:
    """The user's part of a composed config as plain dicts and lists, interpolations resolved."""
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


@contextmanager
def _hydra() -> Iterator[Any]:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    # Inside a Hydra job (a sweep's cell) the global Hydra belongs to the sweep: put it back.
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            yield hydra_compose
    finally:
        GlobalHydra.instance().hydra = before


@cache
def _composed(chosen: tuple[str, ...]) -> DictConfig:
    """The chosen files as one config; a grid composes each choice of files once."""
    with _hydra() as hydra_compose:
        try:
            return hydra_compose("config", overrides=list(chosen), return_hydra_config=True)
        except hydra_errors() as error:
            raise refusal(OmegaConf.create(), chosen, error) from None
