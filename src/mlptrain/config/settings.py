"""Settings of runs as flat tables: which vary, which are common, how to label them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlptrain.config.nesting import dotted

_WITHOUT_INTEREST = (
    *("seed", "name", "tags", "output_root", "artifacts", "instruments", "logger"),
    "data.path",
)


def flat(node: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a config to dotted keys; a group's `name` gets the group's key.

    `{"optimizer": {"name": "adam", "beta_1": 0.9}}` → `{"optimizer": "adam",
    "optimizer.beta_1": 0.9}`.
    """
    return {key.removesuffix(".name"): value for key, value in dotted(node).items()}


def varying(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys in which settings differ, except the seed and keys that change no result.

    A parameter that its group's choice determines, such as `optimizer.momentum` if only `sgd` has
    it, is omitted; of several that determine each other, such as three callbacks that are always
    enabled together, only the first is returned.
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
        if not any(_determines(other, key, table) for other in same_group):
            chosen.append(key)
    return chosen


def format_setting(key: str, value: Any) -> str:
    """Format a setting for a label: `relu`, `dropout 0.3`, `reduce_lr patience 5`."""
    group, *below = key.split(".")
    if not below:
        return str(value)
    if below[-1] == "enabled":
        below = below[:-1] or [group]
    return f"{' '.join(below)} {value}"


def format_settings(settings: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Format some settings for a label, such as `adamw, dropout 0.3`."""
    return ", ".join(format_setting(key, settings.get(key)) for key in keys)


def common_settings(table: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> dict[str, Any]:
    """Return setting → the value that more than half of the configurations have.

    Choices such as the optimizer are never included; a table of one or two has no common values.
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
    """Return the settings that differ from the common ones, such as `adamw, dropout 0.3`."""
    unusual = [
        key
        for key, value in settings.items()
        if key not in common or repr(value) != repr(common[key])
    ]
    return format_settings(settings, unusual) or "the most common settings"


def short(text: Any, length: int = 200) -> str:
    """Return the text, cut to `length` characters."""
    full = str(text)
    return full if len(full) <= length else f"{full[: length - 1]}…"


def _determines(key: str, other: str, table: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether `key` fully determines `other` in this table."""
    known: dict[str, str] = {}
    return all(
        known.setdefault(repr(settings.get(key)), repr(settings.get(other)))
        == repr(settings.get(other))
        for settings in table
    )
