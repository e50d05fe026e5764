"""The identity of a run: a hash of everything that can change its result."""

import hashlib
import json
from typing import Any

from mlptrain.augmentations import AUGMENTATIONS
from mlptrain.config.schema import Config

WITHOUT_EFFECT = (
    "name",
    "tags",
    "output_root",
    "artifacts",
    "instruments",
    "logger",
    "runtime.progress",
    "runtime.threads",
    "data.path",
)

_HASHED_WHEN_OFF = {
    *("flip", "shift", "crop", "light", "cutout", "cutmix", "noise", "mixup", "test_flip")
}
"""Augmentations whose keys are part of every identity: those of the first release. The keys of a
later one stay out while it is off, so that runs made before it existed keep their identity."""

NEUTRAL: dict[str, Any] = {"data.class_weights": None, "data.split_seed": None}
"""Dotted key added after the first release → the value with which nothing changes. A key stays out
of the hash while it has that value, so that runs made before it existed keep their identity. The
schema must have the same value as its default, which completes the configs of such runs."""


def config_hash(config: Config) -> str:
    """Return SHA-256 (64 hex digits) of the config's `identity`, keys sorted."""
    return _digest(identity(config))


def recipe_hash(config: Config) -> str:
    """Return `config_hash` without the seeds of run and split: reports average over these."""
    recipe = identity(config)
    del recipe["seed"]
    recipe["data"].pop("split_seed", None)
    return _digest(recipe)


def identity(config: Config) -> dict[str, Any]:
    """Return the part of a config that can change a result, as plain data."""
    content = config.model_dump()
    for dotted in WITHOUT_EFFECT:
        parent, key = _parent(content, dotted)
        parent.pop(key, None)
    active = config.active_augmentations()
    for name, settings in AUGMENTATIONS.items():
        if name not in active and name not in _HASHED_WHEN_OFF:
            for key in settings.model_fields:
                content["augmentation"].pop(key, None)
    for dotted, neutral in NEUTRAL.items():
        parent, key = _parent(content, dotted)
        if key in parent and parent[key] == neutral:
            del parent[key]
    return content


def _parent(node: dict[str, Any], dotted: str) -> tuple[dict[str, Any], str]:
    *path, key = dotted.split(".")
    for part in path:
        node = node[part]
    return node, key


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
