"""Settings of runs as flat tables, and which of them are worth a column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mlptrain.config.nesting import dotted

_WITHOUT_INTEREST = ("seed", "name", "tags", "output_root", "artifacts", "logger", "data.path")


def flat(node: Mapping[str, Any]) -> dict[str, Any]:
    """A config with dotted keys; a group's `name` stands under the group's own key.

    `{"optimizer": {"name": "adam", "beta_1": 0.9}}` → `{"optimizer": "adam",
    "optimizer.beta_1": 0.9}`.
    """
    return {key.removesuffix(".name"): value for key, value in dotted(node).items()}


def varying(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys in which settings differ, beside the seed and what cannot change a result.

    A parameter that follows from its group's choice, such as `optimizer.momentum` where only
    `sgd` has it, is left out; of several in one group that say the same, such as the three
    callbacks switched on together, the first stands for all.
    """
    keys = dict.fromkeys(key for settings in table for key in settings)
    differing = [
        key
        for key in keys
        if key not in _WITHOUT_INTEREST
        and not key.startswith(("runtime.progress", "runtime.threads", "logger."))
        and len({repr(settings.get(key)) for settings in table}) > 1
    ]
    chosen: list[str] = []
    for key in differing:
        same_group = [k for k in chosen if k.partition(".")[0] == key.partition(".")[0]]
        if not any(_tells(other, key, table) for other in same_group):
            chosen.append(key)
    return chosen


def told(key: str, value: Any) -> str:
    """A setting in a label: `relu`, `dropout 0.3`, `reduce_lr patience 5`, `reduce_lr True`."""
    group, *below = key.split(".")
    if not below:
        return str(value)
    if below[-1] == "enabled":
        below = below[:-1] or [group]
    return f"{' '.join(below)} {value}"


def usual(table: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> dict[str, Any]:
    """Setting → the value that more than half of the configurations have.

    Choices such as the optimizer are always told; so is all of a small table.
    """
    common: dict[str, Any] = {}
    if len(table) < 3:
        return common
    for key in (key for key in keys if "." in key):
        values = [settings[key] for settings in table]
        ((most, count),) = Counter(map(repr, values)).most_common(1)
        if 2 * count > len(values):
            common[key] = next(value for value in values if repr(value) == most)
    return common


def label(settings: Mapping[str, Any], common: Mapping[str, Any]) -> str:
    """What is not as usual about some settings, such as `adamw, dropout 0.3`."""
    unusual = (
        told(key, value)
        for key, value in settings.items()
        if key not in common or repr(value) != repr(common[key])
    )
    return ", ".join(unusual) or "the usual settings"


def short(text: Any, length: int = 200) -> str:
    """A text that may be long, cut."""
    whole = str(text)
    return whole if len(whole) <= length else f"{whole[: length - 1]}…"


def _tells(key: str, other: str, table: Sequence[Mapping[str, Any]]) -> bool:
    """Whether who knows the value of `key` knows that of `other`."""
    known: dict[str, str] = {}
    return all(
        known.setdefault(repr(settings.get(key)), repr(settings.get(other)))
        == repr(settings.get(other))
        for settings in table
    )
