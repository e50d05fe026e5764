"""Data sets: one module each, found by its name; it holds the `data` node's schema and its loading.

Arrays are imported where they are read, so that a config is checked without NumPy.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from mlptrain.datasets.data_settings import MOST_CLASSES, DataSettings, Inventories

_modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
DATASETS: dict[str, type[DataSettings]] = {
    module.__name__.rpartition(".")[2]: module.Data
    for module in _modules
    if hasattr(module, "Data")  # the others hold what several data sets have in common
}
"""`data.name` → the schema with everything else about the data set."""


def is_complete(node: Any) -> bool:
    """Return whether a composed `data` node has all that its data set fills in."""
    name = node.get("name") if isinstance(node, dict) else None
    if not isinstance(name, str) or name not in DATASETS:
        return True  # validation says what is wrong with it
    return DATASETS[name].is_complete(node)


def complete(node: Mapping[str, Any], inventories: Inventories | None = None) -> Mapping[str, Any]:
    """Return a valid `data` node with the keys that its data set fills in.

    Args:
        node: as composed.
        inventories: what other cells of the same grid have seen; gets what is seen now.

    Raises:
        ConfigError: there are no images where the node says that they are.
    """
    return DATASETS[node["name"]].complete(node, {} if inventories is None else inventories)


__all__ = ["DATASETS", "MOST_CLASSES", "DataSettings", "Inventories", "complete", "is_complete"]
