"""Settings of runs as flat tables, and which of them are worth a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_WITHOUT_INTEREST = ("seed", "name", "tags", "output_root", "artifacts", "logger", "data.path")


def flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A config with dotted keys; a group's `name` stands under the group's own key.

    `{"optimizer": {"name": "adam", "beta_1": 0.9}}` → `{"optimizer": "adam",
    "optimizer.beta_1": 0.9}`.
    """
    settings: dict[str, Any] = {}
    for key, value in node.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping):
            settings |= flat(value, f"{dotted}.")
        else:
            settings[dotted.removesuffix(".name")] = value
    return settings


def varying(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys in which settings differ, beside the seed and what cannot change a result.

    A parameter that follows from its group's choice, such as `optimizer.momentum` where only
    `sgd` has it, is left out.
    """
    keys = dict.fromkeys(key for settings in table for key in settings)
    differing = [
        key
        for key in keys
        if key not in _WITHOUT_INTEREST
        and not key.startswith(("runtime.progress", "runtime.threads"))
        and len({repr(settings.get(key)) for settings in table}) > 1
    ]
    return [key for key in differing if not _follows(key, differing, table)]


def _follows(key: str, differing: Sequence[str], table: Sequence[Mapping[str, Any]]) -> bool:
    group = key.rpartition(".")[0]
    if group not in differing:
        return False
    values: dict[str, str] = {}
    return all(
        values.setdefault(repr(settings.get(group)), repr(settings.get(key)))
        == repr(settings.get(key))
        for settings in table
    )
