"""What Tab offers in bash, zsh and fish: subcommands, groups, choices, keys, run folders.

typer's scripts ask the command itself, with the words typed so far in the environment. This file
prepares those words for typer and completes overrides and folders; typer drops offers that do not
start with what is typed.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path

from mlptrain.config.location import default_values, subcommands
from mlptrain.store.names import LATEST
from mlptrain.store.reading import find_run_folders, find_sweep_folders

REQUESTED = "_MLPTRAIN_COMPLETE"
"""Environment variable: which shell asks, such as `complete_bash`."""

_FIRST, _BEFORE = "_MLPTRAIN_FIRST_WORD", "_MLPTRAIN_BEFORE_VALUE"
_SAFE = re.compile(r"[\w./=,+-]+")
"""zsh evaluates what it is given, and folders may be untrusted: other names are not offered."""

_OUTPUTS = Path("outputs")

Offer = tuple[str, str]
"""A word, and what it is."""


def prepare(environment: MutableMapping[str, str]) -> None:
    """Put `train` before bare overrides, and together what bash takes apart at `=`."""
    if environment.get(REQUESTED) == "complete_bash":
        words = _with_train(_bash_words(environment), environment)
        # bash replaces only what stands behind the last `=`.
        environment[_BEFORE], _, last = words[-1].rpartition("=")
        # As bash does it: a word that is still empty is missing.
        typed = [*words[:-1], last] if last else words[:-1]
        environment["COMP_WORDS"] = "\n".join(map(shlex.quote, typed))
        environment["COMP_CWORD"] = str(len(words) - 1)
        return
    words = _with_train(environment.get("_TYPER_COMPLETE_ARGS", "").split(" "), environment)
    environment["_TYPER_COMPLETE_ARGS"] = " ".join(words)


def _bash_words(environment: MutableMapping[str, str]) -> list[str]:
    """The words up to the cursor, `a`, `=`, `b` as one."""
    typed = re.split(r"[\n ]", environment.get("COMP_WORDS", ""))
    place = int(environment.get("COMP_CWORD", len(typed) - 1))
    typed = [*typed, ""][: place + 1]
    words: list[str] = []
    for word in typed:
        if words and word and (word == "=" or words[-1].endswith("=")):
            words[-1] += word
        else:
            words.append(word)
    return words


def _with_train(words: list[str], environment: MutableMapping[str, str]) -> list[str]:
    first = len(words) == 2
    start = words[1] if len(words) > 1 else ""
    if start.startswith("-") if first else start in subcommands():
        return words
    if first:
        environment[_FIRST] = "1"  # a subcommand may still come
    return [words[0], "train", *words[1:]]


def overrides(incomplete: str) -> list[Offer]:
    """Offer overrides (`optimizer=…`, `train.epochs=…`); as the first word, subcommands too."""
    before = f"{os.environ[_BEFORE]}=" if os.environ.get(_BEFORE) else ""
    return [(word[len(before) :], what) for word, what in _words(before + incomplete)]


def _words(incomplete: str) -> list[Offer]:
    key, equals, typed = incomplete.partition("=")
    name = key.lstrip("+~")
    prefix = key[: len(key) - len(name)]
    if equals:
        lead = incomplete[: len(incomplete) - len(typed.rpartition(",")[2])]
        return _starting(incomplete, [(f"{lead}{value}", what) for value, what in _values_of(name)])
    offers = [(f"{prefix}{known}=", what) for known, what in _keys(name)]
    if os.environ.get(_FIRST):
        offers += [(name, "") for name in subcommands()]
    offers = _starting(incomplete, offers)
    if len(offers) == 1 and offers[0][0].endswith("="):
        # With one offer alone the shell would end the word there; the values keep it open.
        values = _words(offers[0][0])
        return values if len(values) > 1 else [*offers, *values]
    return offers


def _starting(incomplete: str, offers: list[Offer]) -> list[Offer]:
    return [offer for offer in offers if offer[0].startswith(incomplete)]


def _values_of(key: str) -> list[Offer]:
    """Offer the choices of a group, or the default of a key."""
    from mlptrain.config.spelling import spelled

    group = "initializer" if key == "init" else key
    if group in group_names():
        return names_of(group)()
    return [
        (spelled(value), "the default") for name, value in default_values().items() if name == key
    ]


def _keys(typed: str) -> Iterator[Offer]:
    """Offer groups; keys once a dot is typed, or when nothing else fits."""
    names, keys = group_names(), list(default_values())
    plain = [name for name in keys if "." not in name]
    if "." not in typed:
        yield from ((name, f"a file of conf/{name}/") for name in names)
        yield from ((name, "") for name in plain)
    if "." in typed or not any(name.startswith(typed) for name in (*names, *plain)):
        yield from ((name, "") for name in keys if "." in name)


def runs() -> list[Offer]:
    """Offer the run folders below `outputs`, newest first, and the link to the latest."""
    return _offers(*find_run_folders(_OUTPUTS), *find_run_folders(_OUTPUTS / LATEST))


def sweeps() -> list[Offer]:
    """Offer the sweep folders below `outputs`."""
    return _offers(*find_sweep_folders(_OUTPUTS))


def runs_and_sweeps() -> list[Offer]:
    """Offer sweep folders and run folders below `outputs`."""
    return [*sweeps(), *runs()]


def _offers(*folders: Path) -> list[Offer]:
    words = sorted((folder.as_posix() for folder in folders), reverse=True)
    return [(word, "") for word in words if _SAFE.fullmatch(word)]


def names_of(group: str) -> Callable[[], list[Offer]]:
    """Return a function that offers the choices of one group."""

    def complete() -> list[Offer]:
        from mlptrain.config.location import choices, description

        return [(name, description(group, name)) for name in choices(group)]

    return complete


def group_names() -> list[str]:
    """Offer the names of groups."""
    from mlptrain.config.location import listed_groups

    return list(listed_groups())
