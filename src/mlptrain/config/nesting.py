"""Nested data as JSON and YAML have it: its depth, whether its text is printable, dotted keys."""

from collections.abc import Mapping
from typing import Any

DEEPEST = 20
"""Levels that a config from a file may have; real ones have four."""


def depth(node: Any) -> int:
    """Return the number of levels of mappings and lists; a plain value has none."""
    levels, level = -1, [node]
    while level:
        level = [child for parent in level for child in _children(parent)]
        levels += 1
    return levels


def is_printable(node: Any) -> bool:
    """Return whether no key and no text has control codes; the depth must be bounded."""
    if isinstance(node, dict):
        return all(is_printable(part) for pair in node.items() for part in pair)
    if isinstance(node, list):
        return all(map(is_printable, node))
    return not isinstance(node, str) or node.isprintable()


def dotted(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings: `{"model": {"dropout": 0.3}}` → `{"model.dropout": 0.3}`."""
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= dotted(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []
