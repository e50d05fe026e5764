"""The words of a command line: spellings made one, and what is wrong with them said early."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from mlptrain.config.location import choices, groups
from mlptrain.config.spelling import did_you_mean, nearest
from mlptrain.errors import ConfigError

_INIT = re.compile(r"^(\+\+|\+|~)?init(?=[=.@]|$)")
_GROUP = re.compile(r"^\+{1,2}(?P<group>\w+)=")
_SWITCH = re.compile(
    r"^(callbacks\.(?:early_stopping|reduce_lr|checkpoint))=(true|false|null)$", re.IGNORECASE
)


def normalise(words: Iterable[str]) -> list[str]:
    """The words with one spelling for each thing.

    `init` becomes `initializer`; `+group=x` becomes `group=x`, since every group has a default;
    `callbacks.early_stopping=false` becomes `callbacks.early_stopping.enabled=false`.
    """
    known = set(groups()) | {"study"}
    result = []
    for word in words:
        word = _INIT.sub(r"\1initializer", word)
        if (match := _GROUP.match(word)) and match["group"] in known:
            word = word.lstrip("+")
        if match := _SWITCH.match(word):
            word = f"{match[1]}.enabled={str(match[2].lower() == 'true').lower()}"
        result.append(word)
    return result


def split_flags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's own options (with their values) and the overrides, each in their order."""
    takes_value = {"--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name",
                   "-cn", "--config-dir", "-cd", "--experimental-rerun"}  # fmt: skip
    flags: list[str] = []
    overrides: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in takes_value:
            flags += [word, *([value] if (value := next(rest, None)) is not None else [])]
        elif word.startswith("-"):
            flags.append(word)
        else:
            overrides.append(word)
    return flags, overrides


def check_spelling(overrides: Sequence[str]) -> list[Any]:
    """The overrides as Hydra parses them, after the mistakes that can be seen without composing.

    Returns:
        Hydra `Override` objects, one for each word.

    Raises:
        ConfigError: no `=`, not Hydra's grammar, or a choice that its group does not have.
    """
    for word in overrides:
        if "=" not in word and not word.startswith("~"):
            raise _not_an_override(word)
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    parsed = []
    for word in overrides:
        try:
            override = parser.parse_override(word)
            values = _values(override)
        except HydraException as error:
            raise ConfigError(
                "KEY=VALUE in Hydra's grammar",
                f"{word!r} ({str(error).splitlines()[0]})",
                "quote special characters, as in 'name=\"a, b\"'; lists look like "
                "model.hidden=[512,256]",
            ) from None
        group = override.key_or_group
        if group in groups() and not word.startswith("~"):
            for value in values:
                _check_choice(group, value)
        parsed.append(override)
    return parsed


def _values(override: Any) -> list[Any]:
    if override.is_delete():
        return []
    if override.is_sweep_override():
        return list(override.sweep_iterator())
    return [override.value()]


def _check_choice(group: str, value: Any) -> None:
    valid = choices(group)
    if value in valid or (value is None and group in ("experiment", "debug")):
        return
    raise ConfigError(
        f"{group} to be one of {', '.join(valid)}",
        f"{group}={value}",
        did_you_mean(str(value), valid, before=f"{group}="),
    )


def _not_an_override(word: str) -> ConfigError:
    from mlptrain.commands.verbs import VERBS

    if verb := nearest(word, VERBS):
        action = f"did you mean `mlptrain {verb}`? `mlptrain --help` lists the verbs"
    elif any(word in choices(group) for group in groups()):
        group = next(group for group in groups() if word in choices(group))
        action = f"did you mean {group}={word}?"
    else:
        action = "write model.dropout=0.2, for example; `mlptrain --help` lists the verbs"
    return ConfigError("a verb or an override KEY=VALUE", repr(word), action)
