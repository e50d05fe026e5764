"""Groups and overrides → one plain config, with Hydra; its errors become readable ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlptrain.config.location import CONF, groups
from mlptrain.config.overrides import check_spelling, normalise
from mlptrain.config.refusals import first_line, hydra_errors, refusal
from mlptrain.config.schema import Config
from mlptrain.config.validation import validate
from mlptrain.errors import ConfigError


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
    check_spelling(overrides)
    with _hydra() as hydra_compose:
        composed = _compose(hydra_compose, overrides)
    return Composed(validate(plain(composed)), overrides, _hydra_yaml(composed))


def compose_like(base: Mapping[str, Any], words: Sequence[str]) -> Composed:
    """An earlier run's config with overrides on top; a group override replaces the group's part.

    Raises:
        ConfigError: as `compose`; also for `experiment` and `debug`, which change many parts,
            and for a base that is no resolved config.
    """
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    overrides = normalise(words)
    parsed = check_spelling(overrides)
    chosen = [o for o in parsed if o.key_or_group in groups()]
    values = [o for o in parsed if o.key_or_group not in groups()]
    for override in parsed:
        changes_many = override.key_or_group in ("experiment", "debug", "study")
        if changes_many or (override.is_delete() and override in chosen):
            raise ConfigError(
                "--like with overrides of single groups or keys",
                override.input_line,
                "leave out --like, or name the groups it changes one by one",
            )
    with _hydra() as hydra_compose:
        fresh = _compose(hydra_compose, [o.input_line for o in chosen])
    config = OmegaConf.create(_without_interpolations(base))
    for override in chosen:
        config[override.key_or_group] = fresh[override.key_or_group]
    OmegaConf.set_struct(config, True)
    try:
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
    except hydra_errors() as error:
        raise refusal(config, [o.input_line for o in values], error) from None
    return Composed(validate(plain(config)), overrides, _hydra_yaml(fresh))


def _hydra_yaml(composed: DictConfig) -> str:
    return OmegaConf.to_yaml(OmegaConf.masked_copy(composed, ["hydra"]))


def _without_interpolations(base: Mapping[str, Any]) -> dict[str, Any]:
    """The base as it is; it may be a stranger's, and `${…}` in it would be acted upon."""
    if not isinstance(base, Mapping) or "${" in json.dumps(base):
        raise ConfigError(
            "the resolved config of a run, without ${…}",
            "a config with ${…}" if isinstance(base, Mapping) else repr(base)[:80],
            "use the folder of a run that mlptrain wrote",
        )
    return dict(base)


def plain(composed: DictConfig) -> dict[str, Any]:
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


def _compose(hydra_compose: Any, overrides: list[str]) -> DictConfig:
    try:
        return hydra_compose("config", overrides=overrides, return_hydra_config=True)
    except hydra_errors() as error:
        chosen = [word for word in overrides if word.partition("=")[0] in groups()]
        try:
            without_values = hydra_compose("config", overrides=chosen)
        except hydra_errors():
            without_values = OmegaConf.create()
        raise refusal(without_values, overrides, error) from None
