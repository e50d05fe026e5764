"""Lay the command line on experiments, debug choices and earlier runs, each on what is below it.

From the bottom: the default files or an earlier run's config, the experiment, the groups that the
command line chooses, the debug choice, and the single values of the command line. A group that a
higher layer chooses replaces that part of the lower ones, with all its keys.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from yaml import YAMLError

from mlptrain.augmentations import neutral_values
from mlptrain.config.hydra_files import compose_files, hydra_part
from mlptrain.config.location import file_of, groups
from mlptrain.config.messages import all_keys, hydra_errors, override_error, unknown_key
from mlptrain.config.nesting import DEEPEST, depth, dotted, is_printable
from mlptrain.config.overrides import parse_overrides, text_of, texts_of
from mlptrain.config.spelling import hydra_value
from mlptrain.errors import ConfigError, reason_of

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

LAYERS = ("experiment", "debug")
"""The groups whose files change many parts of the config, in the order in which they act."""


@dataclass(frozen=True)
class Layer:
    """What the file of an experiment or a debug choice says.

    Attributes:
        group: `experiment` or `debug`.
        name: the name of its file.
        choices: group → the override that chooses its file.
        values: dotted key → value.
    """

    group: str
    name: str
    choices: dict[str, str]
    values: dict[str, Any]


@dataclass(frozen=True)
class Layered:
    """A composed config, not yet checked.

    Attributes:
        config: the config, without Hydra's own part.
        files: the overrides that chose its files, and those of Hydra's own settings.
        layers: the experiment and the debug choice in it.
        task: all overrides but those of Hydra's own settings.
    """

    config: DictConfig
    files: list[str]
    layers: list[Layer]
    task: list[str]

    def hydra(self) -> DictConfig:
        """Return Hydra's own part, which cells that are only planned never need."""
        hydra = hydra_part(self.files)
        for layer in self.layers:
            hydra.runtime.choices[layer.group] = layer.name
        hydra.overrides.task = self.task
        return hydra


def compose_layers(overrides: Sequence[Override], base: Mapping[str, Any] | None = None) -> Layered:
    """Compose the files and lay the values on them.

    Args:
        overrides: parsed overrides.
        base: resolved config of an earlier run, which replaces the default files.

    Raises:
        ConfigError: an override or a file is wrong, or the base is not a resolved config.
    """
    files = [o for o in overrides if _chooses_files(o)]
    layers = _read_layers(files, base)
    named = {o.key_or_group for o in files}
    chosen: dict[str, str] = {}
    for layer in layers:
        chosen |= {group: text for group, text in layer.choices.items() if group not in named}
    of_groups = [text_of(o) for o in files if o.key_or_group not in LAYERS]
    all_files = [*chosen.values(), *of_groups]
    config = compose_files(all_files)
    if base is not None:
        _put_below(config, base, {*named, *chosen})
    above = {layer.group: set(layer.choices) for layer in layers}
    for layer in layers:
        replaced = named | above.get("debug", set()) if layer.group == "experiment" else set()
        _apply_values(config, layer, replaced)
    task = [text for text in texts_of(overrides) if not text.lstrip("+~").startswith("hydra")]
    settings = [o for o in overrides if not _chooses_files(o)]
    return Layered(_with_settings(config, settings), all_files, layers, task)


def _chooses_files(override: Override) -> bool:
    """Return whether it chooses a file, or is one of Hydra's own settings."""
    return override.key_or_group in groups() or override.key_or_group.startswith("hydra")


def _read_layers(files: Sequence[Override], base: Mapping[str, Any] | None) -> list[Layer]:
    """Read the experiment and the debug choice that the overrides name, in this order."""
    layers = []
    for group in LAYERS:
        named = [o for o in files if o.key_or_group == group and not o.is_delete()]
        if len(named) > 1:
            raise ConfigError(
                f"one {group}", " ".join(texts_of(named)), "leave out all of them but one"
            )
        if not named or (name := named[0].value()) is None:
            continue
        if base is not None and group == "experiment":
            raise ConfigError(
                "--like with choices of groups or keys: an experiment is a config of its own",
                text_of(named[0]),
                "leave out --like; or add to it single choices of the experiment, which "
                f"`mlptrain options --copy experiment/{name}` shows",
            )
        layers.append(_read_layer(group, str(name)))
    return layers


def _read_layer(group: str, name: str, including: tuple[str, ...] = ()) -> Layer:
    """Read a file, laid on the files of its group that it includes.

    Args:
        group: `experiment` or `debug`.
        name: the name of the file.
        including: the names of those that include it.
    """
    if including:
        _check_choice(f"{group}={hydra_value(name)}", group, including[-1])
    try:
        if name in including:
            raise ValueError("it includes itself")
        content = OmegaConf.to_container(OmegaConf.load(file_of(group, name)), resolve=False)
    except (OSError, ValueError, YAMLError) as error:
        action = f"correct {file_of(group, name)}"
        raise ConfigError(f"a readable file for {group}={name}", reason_of(error), action) from None
    if not isinstance(content, dict) or "hydra" in content:
        has, action = "a list and no keys", "write KEY: VALUE"
        if isinstance(content, dict):
            has, action = "the key hydra", "choose a launcher on the command line"
        raise ConfigError(
            "keys of the config, without those of Hydra",
            f"{group}={name}, whose file has {has}",
            f"{action}; `mlptrain --cfg job` shows every key",
        )
    entries = content.pop("defaults", None) or []
    own_values = dotted({str(key): value for key, value in content.items()})
    own_choices: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, str):
            own_choices |= _choices_of(entry, group, name)
    choices: dict[str, str] = {}
    values: dict[str, Any] = {}
    for entry in [*entries, *(["_self_"] if "_self_" not in entries else [])]:
        if entry == "_self_":
            values |= own_values
        elif isinstance(entry, str):
            included = _read_layer(group, entry.removeprefix(f"/{group}/"), (*including, name))
            choices |= included.choices
            values = _without(values, included.choices.keys() - own_choices)
            values |= _without(included.values, own_choices)
    return Layer(group, name, choices | own_choices, values)


def _without(values: Mapping[str, Any], replaced: Container[str]) -> dict[str, Any]:
    """Return the values of all groups but those that were replaced."""
    return {key: value for key, value in values.items() if key.partition(".")[0] not in replaced}


def _choices_of(entry: Any, group: str, name: str) -> dict[str, str]:
    """Return the choice of an entry `override /GROUP: CHOICE` of a list of defaults."""
    chosen = {}
    for key, value in entry.items() if isinstance(entry, Mapping) else [(entry, None)]:
        target = str(key).removeprefix("override ").strip().lstrip("/")
        if target not in groups() or target in LAYERS:
            raise ConfigError(
                "defaults that are files of the same group, `_self_` or `override /GROUP: CHOICE`",
                f"{json.dumps(entry)} in the file of {group}={name}",
                f"write one of {', '.join(g for g in groups() if g not in LAYERS)} as GROUP",
            )
        text = f"{target}={hydra_value(value)}"
        _check_choice(text, group, name)
        chosen[target] = text
    return chosen


def _check_choice(text: str, group: str, name: str) -> None:
    """Check that the choice `GROUP=CHOICE`, which a file makes, exists."""
    try:
        parse_overrides([text])
    except ConfigError as error:
        raise _in_file(error, group, name) from None


def _put_below(config: DictConfig, base: Mapping[str, Any], replaced: Iterable[str]) -> None:
    """Replace the composed nodes by those of the base, but for the groups that were chosen."""
    earlier = OmegaConf.create(_without_interpolations(base))
    if isinstance(node := earlier.get("augmentation"), Mapping | type(earlier)):
        earlier.augmentation = {**neutral_values(), **node}  # it may lack later keys
    OmegaConf.set_struct(config, False)
    for key in {*map(str, config), *map(str, earlier)} - {*replaced}:
        if key in earlier:
            config[key] = earlier[key]
        else:
            del config[key]
    OmegaConf.set_struct(config, True)


def _apply_values(config: DictConfig, layer: Layer, replaced: set[str]) -> None:
    """Set the values of a layer, but those of groups that were replaced.

    A debug choice works on top of everything: its keys that the chosen groups lack are left out.
    """
    keys = all_keys(config)
    for key, value in layer.values.items():
        if key.partition(".")[0] in replaced:
            continue
        if key in keys:
            OmegaConf.update(config, key, value, merge=False)
        elif layer.group != "debug" or key not in all_keys(
            compose_files([*layer.choices.values()])
        ):
            raise _in_file(unknown_key(key, config, keys), layer.group, layer.name)


def _in_file(error: ConfigError, group: str, name: str) -> ConfigError:
    return ConfigError(
        error.expected, f"{error.received} in the file of {group}={name}", error.action
    )


def _with_settings(config: DictConfig, settings: Sequence[Override]) -> DictConfig:
    """Apply the overrides of single values, by the code that Hydra itself uses."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    try:
        ConfigLoaderImpl._apply_overrides_to_config(list(settings), config)
    except hydra_errors() as error:
        raise override_error(config, texts_of(settings), error) from None
    return config


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
