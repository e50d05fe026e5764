"""Families of nets: one module each, found by its name.

A module holds the family's schema, its layers and what can be said of it without building it.
Keras is imported by `build` alone, so that a config is checked without TensorFlow.
"""

from importlib import import_module
from pkgutil import iter_modules

from mlptrain.families.family import MOST_LAYERS, Family

FAMILIES: dict[str, type[Family]] = {
    module.name: import_module(f"{__name__}.{module.name}").Model
    for module in iter_modules(__path__)
    if module.name != "family"
}
"""`model.name` → the schema with everything else about the family."""

__all__ = ["FAMILIES", "MOST_LAYERS", "Family"]
