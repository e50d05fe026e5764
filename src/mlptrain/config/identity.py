"""A run's identity: the hash of everything that can change its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mlptrain.config.schema import Config

WITHOUT_EFFECT = (
    "name",
    "tags",
    "output_root",
    "artifacts",
    "logger",
    "runtime.progress",
    "runtime.threads",
    "data.path",
)

NEUTRAL: dict[str, Any] = {
    "model.name": "pyramid",
    "optimizer.decay_kernels_only": False,
    "augmentation.crop": 0,
    "augmentation.brightness": 0.0,
    "augmentation.contrast": 0.0,
    "augmentation.cutmix": 0.0,
    "augmentation.test_flip": False,
    "train.ema": 0.0,
}
"""Dotted key added after the first release → the value that changes nothing. While a key holds
it, the key stays out of the hash, so that runs made before it existed keep their identity; in
their configs it is what a missing key means."""

_ONLY_OF = {"optimizer.decay_kernels_only": ("adamw", "lion")}
"""Keys of named choices: no other choice of the group has them."""


def config_hash(config: Config) -> str:
    """SHA-256 (64 hex digits) of the resolved config, keys sorted, without `WITHOUT_EFFECT`."""
    return _digest(identity(config))


def recipe_hash(config: Config) -> str:
    """`config_hash` without the seed: what reports average over."""
    recipe = identity(config)
    del recipe["seed"]
    return _digest(recipe)


def identity(config: Config) -> dict[str, Any]:
    """The part of a config that can change a result, as plain data."""
    kept = config.model_dump()
    for dotted in WITHOUT_EFFECT:
        _remove(kept, dotted)
    for dotted, neutral in NEUTRAL.items():
        if _value(kept, dotted) == neutral:
            _remove(kept, dotted)
    return kept


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config that may be of an earlier version, with the keys that did not exist then."""
    known = {key: dict(node) if isinstance(node, dict) else node for key, node in config.items()}
    for dotted, neutral in NEUTRAL.items():
        group, _, key = dotted.partition(".")
        node = known.get(group)
        if isinstance(node, dict) and node.get("name") in _ONLY_OF.get(dotted, (node.get("name"),)):
            node.setdefault(key, neutral)
    return known


def _parent(node: dict[str, Any], dotted: str) -> tuple[dict[str, Any], str]:
    *path, key = dotted.split(".")
    for part in path:
        node = node[part]
    return node, key


def _value(node: dict[str, Any], dotted: str) -> Any:
    parent, key = _parent(node, dotted)
    return parent.get(key)


def _remove(node: dict[str, Any], dotted: str) -> None:
    parent, key = _parent(node, dotted)
    parent.pop(key, None)


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
