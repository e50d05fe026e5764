"""Overrides of the config: one spelling for each, parsed, with early and readable errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlptrain.callbacks import CALLBACKS
from mlptrain.config.location import STUDY, choices, groups, subcommands
from mlptrain.config.messages import first_line
from mlptrain.config.nesting import DEEPEST
from mlptrain.config.spelling import did_you_mean, nearest, spelled
from mlptrain.errors import ConfigError
from mlptrain.formatting import like_command, typed_override
from mlptrain.paths import existing_path

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_INIT = re.compile(r"^(\+\+|\+|~)?init(?=[=.@]|$)")
_GROUP = re.compile(r"^\+{1,2}(?P<group>\w+)=")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PARSER_WORDS = (
    (r"^token recognition error at: (.+)$", r"\1 needs quotes"),
    (r"^(?:mismatched|extraneous) input '<EOF>'$", "something is missing at the end"),
    (r"^(?:mismatched|extraneous) input (.+)$", r"\1 needs quotes there"),
    (r"^no viable alternative at input (.+)$", r"\1 is not a value"),
)
_SWITCH = re.compile(r"^callbacks\.(?P<name>\w+)=(?P<value>true|false|null)$", re.IGNORECASE)


def normalize(overrides: Iterable[str]) -> list[str]:
    """Return the overrides with one spelling for each thing.

    `init` becomes `initializer`; `+group=x` becomes `group=x`, since every group has a default;
    `callbacks.early_stopping=false` becomes `callbacks.early_stopping.enabled=false`.
    """
    known = {*groups(), STUDY}
    result = []
    for text in overrides:
        text = _INIT.sub(r"\1initializer", text)
        if (match := _GROUP.match(text)) and match["group"] in known:
            text = text.lstrip("+")
        if (match := _SWITCH.match(text)) and match["name"] in CALLBACKS:
            enabled = str(match["value"].lower() == "true").lower()
            text = f"callbacks.{match['name']}.enabled={enabled}"
        result.append(text)
    return result


def parse_overrides(overrides: Iterable[str | Override]) -> list[Override]:
    """Normalize and parse overrides, and check what can be checked without composing.

    Args:
        overrides: texts such as `optimizer=adam`; one that is parsed already stays as it is.

    Returns:
        One parsed override for each.

    Raises:
        ConfigError: no `=`, not Hydra's grammar, or a choice that its group does not have.
    """
    overrides = list(overrides)
    for text in overrides:
        if isinstance(text, str) and (
            not text.lstrip("+~").partition("=")[0] or ("=" not in text and text[0] != "~")
        ):
            raise _not_an_override(text)
    return [_parsed(*normalize([o])) if isinstance(o, str) else o for o in overrides]


def _parsed(text: str) -> Override:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    steps = ((c in "[{(") - (c in "]})") for c in _QUOTED.sub("", text))
    if (levels := max(accumulate(steps), default=0)) > DEEPEST:
        raise ConfigError(
            f"brackets within brackets at most {DEEPEST} levels deep",
            f"{text.partition('=')[0]} with {levels} levels of brackets",
            "remove brackets; a list looks like model.hidden=[512,256]",
        )
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise ConfigError(
            "KEY=VALUE in Hydra's grammar", f"{text!r} ({_brief(error)})", _rewritten(text)
        ) from None
    group = override.key_or_group
    path = text.partition("=")[2]
    is_text = not override.is_sweep_override() and override.value() == path and "${" not in path
    if group == "data.path" and not is_text and existing_path(path):
        action = f"quote the value, for the shell too: {typed_override(group, path)}"
        raise ConfigError("one path as data.path", f"{text}, which is not plain text", action)
    if group == "hydra":
        raise ConfigError("a key below hydra", text, "`mlptrain --cfg hydra` shows them all")
    if group in groups() and not override.is_delete():
        for value in values(override):
            # `augmentation=[flip,shift]` combines two files.
            is_list = group == "augmentation" and isinstance(value, list)
            for choice in value if is_list else [value]:
                _check_choice(group, choice)
    return override


def texts_of(overrides: Iterable[Override]) -> list[str]:
    """Return parsed overrides in their normal spelling."""
    return [text_of(override) for override in overrides]


def text_of(override: Override) -> str:
    """Return a parsed override in its normal spelling."""
    assert override.input_line is not None  # Hydra's parser always sets it
    return override.input_line


def values(override: Override, as_text: bool = False) -> Iterator[Any]:
    """Yield the values an override stands for: one, or those of its grid.

    Args:
        as_text: spelled as on the command line, instead of parsed.

    Raises:
        ConfigError: its grid cannot be listed.
    """
    from hydra.core.override_parser.types import Glob
    from hydra.errors import HydraException

    if not override.is_sweep_override():
        yield override.value()
        return
    try:
        if isinstance(pattern := override.value(), Glob):
            known = override.key_or_group in groups()
            yield from pattern.filter(choices(override.key_or_group) if known else [])
        elif as_text:
            yield from override.sweep_string_iterator()
        else:
            yield from override.sweep_iterator()
    except (HydraException, ValueError, ArithmeticError) as error:
        raise ConfigError(
            f"values for {override.key_or_group} that can be listed",
            f"{text_of(override)} ({_brief(error)})",
            f"write {override.key_or_group}=A,B or {override.key_or_group}=range(1,4)",
        ) from None


def _brief(error: Exception) -> str:
    """What a parser's message says, in plain words."""
    text = first_line(error).partition(" expecting ")[0]
    for pattern, words in _PARSER_WORDS:
        text = re.sub(pattern, words, text)
    return text


def _rewritten(text: str) -> str:
    """What to write instead of an override that Hydra's grammar rejects."""
    key, _, value = text.partition("=")
    spaced = key != key.strip()
    key, value = key.strip(), value.strip()
    if re.fullmatch(r"[+~]*[\w./@]+", key, re.ASCII) and value:
        if spaced:
            return f"write it without spaces: {key}={value}"
        quoting = f"quote the value, for the shell too: {typed_override(key, value)}"
        if existing_path(value):
            return quoting
        if value.startswith("="):
            return f"write {key}={value.lstrip('=')}"
        joined = re.sub(r" *, *", ",", value)
        if items := re.fullmatch(r"[(\[]([\w.,+-]*?),?[)\]]?", joined, re.ASCII):
            return f"write {key}=[{items[1]}]"
        if value.endswith(","):
            return f"write {key}={value.rstrip(',')}"
        if not set(value) & set("[]{}$"):
            return quoting
    return "quote special characters, as in 'name=\"a, b\"'; lists look like model.hidden=[512,256]"


def _check_choice(group: str, value: Any) -> None:
    valid = choices(group)
    if value in valid or (value is None and group in ("experiment", "debug")):
        return
    shown = spelled(value)
    raise ConfigError(
        f"{group} to be one of {', '.join(valid)}",
        f"{group}={shown}",
        did_you_mean(
            str(value), valid, f"{group}=", otherwise=f"`mlptrain options {group}` describes each"
        ),
    )


def _for_a_path(path: Path) -> str:
    """Return what to type instead of a path alone."""
    run = path.parent if path.suffix in (".yaml", ".yml") else path
    if existing_path(str(run / "run.json")):
        return f"to train from that run's config: {like_command(run)} KEY=VALUE"
    if path.suffix in (".yaml", ".yml"):
        return (
            f"`mlptrain --like {path}` trains the config in a file, `mlptrain search {path}` "
            "searches the space in one; single settings are KEY=VALUE"
        )
    return "write the name of a command before a path; `mlptrain --help` lists the commands"


def _not_an_override(word: str) -> ConfigError:
    head, _, tail = _INIT.sub(r"\1initializer", word).partition(":")
    owners = [group for group in (*groups(), STUDY) if word in choices(group)]
    if word in subcommands():
        action = f"a command comes first, and once: mlptrain {word} …"
    elif head in groups():
        chosen = tail if tail in choices(head) else "NAME"
        action = f"write {head}={chosen}; `mlptrain options {head}` lists the choices"
    elif head == STUDY:
        action = f"write {STUDY}={tail if tail in choices(STUDY) else 'full'}"
    elif owners:
        action = f"did you mean {owners[0]}={word}?"
    elif word.endswith((".yaml", ".yml")) or "/" in word:
        action = _for_a_path(Path(word))
    elif "." in word and "=" not in word:
        action = f"write {word}=VALUE"
    elif command := nearest(word, subcommands()):
        action = f"did you mean `mlptrain {command}`? `mlptrain --help` lists the commands"
    else:
        action = "write model.dropout=0.2, for example; `mlptrain --help` lists the commands"
    return ConfigError("a command or an override KEY=VALUE", repr(word), action)
