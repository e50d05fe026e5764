"""From a plain composed dict to a checked `Config`, before anything heavy is imported."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mlptrain.callbacks import MonitorSettings
from mlptrain.config.location import choices, contents, defaults
from mlptrain.config.messages import as_typed, validation_error
from mlptrain.config.registry import REGISTRIES, check_choice
from mlptrain.config.schema import Config
from mlptrain.config.spelling import did_you_mean
from mlptrain.datasets import DATASETS
from mlptrain.errors import ConfigError
from mlptrain.families import FAMILIES
from mlptrain.history import column_keys
from mlptrain.loggers import LOGGERS

_SCHEMAS: Mapping[str, Mapping[str, type[BaseModel]]] = {
    "data": DATASETS,
    "model": FAMILIES,
    "logger": LOGGERS,
}
"""Groups of which each `name` is a module with its own schema."""


def validate(
    plain: Mapping[str, Any], *, with_images: bool = True, to_train: bool = True
) -> Config:
    """Return the typed, checked config of a composed one.

    Args:
        plain: the composed config, as plain data.
        with_images: also check what depends on the images and their number.
        to_train: also check what only training needs, such as a batch size that fits.

    Raises:
        ConfigError: a key, type, range or combination is not allowed; says what was expected,
            what was received and what to do, for every problem found at once.
    """
    if not isinstance(plain, Mapping):
        raise ConfigError(
            "a config of keys and values", repr(plain)[:80], "compare it with `mlptrain --cfg job`"
        )
    checked = dict(plain)
    problems: list[Any] = []
    for group in (*REGISTRIES, *_SCHEMAS):
        name = _name_of(group, plain.get(group))
        try:
            if group in _SCHEMAS:
                checked[group] = _SCHEMAS[group][name].model_validate(plain[group])
            else:
                checked[group] = check_choice(group, plain[group])
        except ValidationError as error:
            listed = error.errors(include_url=False)
            if missing := [str(p["loc"][0]) for p in listed if p["type"] == "missing"]:
                raise _incomplete(group, plain[group]["name"], missing) from None
            problems += [{**problem, "loc": (group, *problem["loc"])} for problem in listed]
    failed = {problem["loc"][0] for problem in problems}
    try:
        config = Config.model_validate(checked)
    except ValidationError as error:
        listed = error.errors(include_url=False)
        problems += [problem for problem in listed if problem["loc"][0] not in failed]
    if problems:
        raise validation_error(problems, plain)
    _check_combinations(config)
    if with_images:
        _check_data(config)
    if with_images and to_train:
        _check_batch_size(config)
        _check_callbacks(config)
    return config


def _name_of(group: str, node: Any) -> str:
    """Return the node's `name`, one of those that the group knows."""
    names = list({**_SCHEMAS, **REGISTRIES}[group])
    if not isinstance(node, Mapping) or "name" not in node:
        raise ConfigError(
            f"{group} to be one of the choices of its group",
            f"no {group}" if node is None else f"{group}={as_typed(node)}",
            f"`mlptrain options {group}` lists them",
        )
    name = node["name"]
    if not isinstance(name, str) or name not in names:
        describes = f"`mlptrain options {group}` describes each"
        valid = choices(group) if group in _SCHEMAS else names
        raise ConfigError(
            f"{group}.name to be one of {', '.join(names)}",
            f"{group}.name={as_typed(name)}",
            did_you_mean(str(name), valid, f"{group}=", describes),
        )
    return name


def _incomplete(group: str, name: str, missing: Sequence[str]) -> ConfigError:
    """A name was changed without its parameters, or a parameter was removed."""
    choice = name
    if group in _SCHEMAS:
        keys = [key for key in _SCHEMAS[group][name].model_fields if key != "name"]
        fitting = [c for c in choices(group) if contents(group, c).get("name") == name]
        standard = defaults()[group]
        choice = standard if standard in fitting else fitting[0]
    else:
        keys = list(REGISTRIES[group][name].parameters)
    return ConfigError(
        f"all keys of {group}={choice}: {', '.join(keys)}",
        f"{group}.name={name}, but no {', '.join(f'{group}.{key}' for key in missing)}",
        f"choose it with {group}={choice}, which brings its keys, and remove none of them",
    )


def _check_combinations(config: Config) -> None:
    _check_output_root(config.output_root)
    config.model.check(config.data.image_side())
    _check_initializer(config)
    _check_augmentation(config)
    config.logger.check()


def _check_output_root(output_root: str) -> None:
    try:
        Path(output_root).expanduser().exists()
    except RuntimeError:  # ~someone
        raise ConfigError(
            "output_root to name a folder",
            f"output_root={output_root}, with an unknown user",
            "write the path in full",
        ) from None
    except OSError as error:  # too long a name, a folder that may not be looked into
        raise ConfigError(
            "output_root to name a folder",
            f"output_root={output_root[:80]}: {error.strerror}",
            "choose another place with output_root=PATH",
        ) from None


def _check_data(config: Config) -> None:
    data = config.data
    if data.path is not None and not data.takes_path:
        others = [name for name, schema in DATASETS.items() if schema.takes_path]
        raise ConfigError(
            f"data.path only with data={', '.join(others)}",
            f"data={data.name} data.path={data.path}",
            f"leave out one of the two: data={data.name} needs no path",
        )
    data.check()
    for split, number in data.given_splits().items():
        key = f"{split}_fraction"
        if getattr(data, key) not in (0, contents("data", data.name)[key]):
            raise ConfigError(
                f"data.{key} only for images without a {split} set of their own",
                f"data.{key}={getattr(data, key)}, and {number} {split} images at data.path",
                f"leave out data.{key}: the {split} set is used as it is",
            )
    if data.split_seed is not None and (
        "validation" in data.given_splits() or not data.split_sizes()["validation"]
    ):
        raise ConfigError(
            "data.split_seed only where validation images are drawn from the training images",
            f"data.split_seed={data.split_seed}, and "
            + (
                "a validation set of their own"
                if "validation" in data.given_splits()
                else f"no validation images (data.validation_fraction={data.validation_fraction})"
            ),
            "leave out data.split_seed",
        )
    train = data.split_sizes()["train"]
    if train < 1:
        raise ConfigError(
            "at least one training image after the split",
            f"data.limit={data.limit} data.validation_fraction={data.validation_fraction}",
            "raise data.limit or lower data.validation_fraction",
        )


def _check_batch_size(config: Config) -> None:
    train = config.data.split_sizes()["train"]
    if config.train.batch_size > train:
        raise ConfigError(
            f"train.batch_size to be at most the {train} training images",
            f"train.batch_size={config.train.batch_size}",
            f"train.batch_size={train} trains on all of them at once",
        )


def _check_augmentation(config: Config) -> None:
    side = config.data.image_side()
    for augmentation in config.active_augmentations().values():
        for key, most in augmentation.largest_values(side).items():
            if (value := getattr(augmentation, key)) > most:
                raise ConfigError(
                    f"augmentation.{key}: at most {most}, for images of {side} by {side} pixels",
                    f"augmentation.{key}={value}",
                    "correct the value; `mlptrain --cfg job --package augmentation` shows the "
                    "default",
                )


def _check_callbacks(config: Config) -> None:
    has_validation = config.data.split_sizes()["validation"] > 0
    monitors: dict[str, str] = {}
    for name, settings in config.enabled_callbacks().items():
        if not isinstance(settings, MonitorSettings):
            continue
        monitor = settings.monitor
        if monitor.startswith("val_") and not has_validation:
            train = config.data.split_sizes()["train"]
            fraction = max(0.1, math.ceil(100 / train) / 100)  # at least one image
            of_training = monitor.removeprefix("val_")
            other = of_training if of_training in column_keys() else "loss"
            raise ConfigError(
                f"a validation split for callbacks.{name}.monitor={monitor}",
                f"no validation images (data.validation_fraction={config.data.validation_fraction}"
                f" of {train} images)",
                (f"set data.validation_fraction={fraction:g}" if train > 1 else "add images")
                + f", callbacks=none, or "
                f"callbacks.{name}.monitor={other}",
            )
        if settings.keeps_best:
            monitors[name] = monitor
    if len(set(monitors.values())) > 1:
        first, *_, last = monitors
        raise ConfigError(
            f"{' and '.join(monitors)}, which restore the best weights, to monitor the same "
            "metric: a run folder describes one set of weights",
            ", ".join(f"{name}.monitor={monitor}" for name, monitor in monitors.items()),
            f"set callbacks.{last}.monitor={monitors[first]}, or callbacks.{first}.enabled=false",
        )


def _check_initializer(config: Config) -> None:
    node = config.initializer
    if node.name == "random_uniform" and node.parameters["minval"] >= node.parameters["maxval"]:
        raise ConfigError(
            "initializer.minval below initializer.maxval",
            f"minval={node.parameters['minval']} maxval={node.parameters['maxval']}",
            "swap the two values",
        )
