"""The words of a sweep: as users type them, and as Hydra carries them to the sweeper."""

from __future__ import annotations

from collections.abc import Sequence

# Hydra composes every word into the config but those of its own part.
_CARRIED = {
    "study": "hydra.sweeper.study",
    "sweep.retry_failed": "hydra.sweeper.retry_failed",
}


def carried(words: Sequence[str]) -> list[str]:
    """`study=full` → `hydra.sweeper.study=full`, and so on."""
    return [_renamed(word, _CARRIED) for word in words]


def as_typed(words: Sequence[str]) -> list[str]:
    """The command line that a user would type again, program first."""
    back = {inner: outer for outer, inner in _CARRIED.items()}
    typed = [_renamed(word, back) for word in words]
    if any(word.startswith("study=") for word in typed):
        typed = [word for word in typed if word != "--multirun"]
    return ["mlptrain", *("-m" if word == "--multirun" else word for word in typed)]


def _renamed(word: str, names: dict[str, str]) -> str:
    key, equals, value = word.partition("=")
    return f"{names.get(key, key)}{equals}{value}"
