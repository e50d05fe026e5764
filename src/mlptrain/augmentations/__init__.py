"""Augmentations: one module each, found by its name; it holds the keys and what they do.

TensorFlow is imported only by the functions that compute, so that a config is checked without it.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from mlptrain.augmentations.augmentation import Augmentation

_modules = [
    import_module(f"{__name__}.{module.name}")
    for module in iter_modules(__path__)
    if module.name != "augmentation"
]
AUGMENTATIONS: dict[str, type[Augmentation]] = {
    module.__name__.rpartition(".")[2]: module.Settings
    for module in sorted(_modules, key=lambda module: module.Settings.position)
}
"""Name → the schema of its keys, which also augments; in the order in which they act."""


def neutral_values() -> dict[str, Any]:
    """Return every key below `augmentation` with the value that it has when all are off."""
    return {
        key: field.default
        for settings in AUGMENTATIONS.values()
        for key, field in settings.model_fields.items()
    }


def make_augmentations(values: Mapping[str, Any]) -> dict[str, Augmentation]:
    """Return the augmentations that are switched on, by name, in the order in which they act.

    Args:
        values: checked values of keys below `augmentation`; a key that is missing is neutral.
    """
    every = {
        name: settings.model_validate(
            {key: values[key] for key in settings.model_fields if key in values}
        )
        for name, settings in AUGMENTATIONS.items()
    }
    return {name: augmentation for name, augmentation in every.items() if augmentation.is_on}


__all__ = ["AUGMENTATIONS", "Augmentation", "make_augmentations", "neutral_values"]
