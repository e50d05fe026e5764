"""The words of a sweep: as users type them, and as Hydra carries them to the sweeper."""

from __future__ import annotations

from collections.abc import Sequence

from mlptrain.config.spelling import did_you_mean
from mlptrain.errors import ConfigError

RETRY_FAILED = "sweep.retry_failed"

# Hydra composes every word into the config but those of its own part.
_CARRIED = {
    "study": "hydra.sweeper.study",
    RETRY_FAILED: "hydra.sweeper.retry_failed",
}


def take_settings(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the settings of the sweep itself, `sweep.KEY=VALUE`, off the words.

    Raises:
        ConfigError: there is no such setting, or its value is neither true nor false.
    """
    settings = [word for word in words if word.startswith("sweep.")]
    for word in settings:
        key, _, value = word.partition("=")
        if key != RETRY_FAILED:
            action = did_you_mean(key, [RETRY_FAILED], otherwise="leave it out")
            raise ConfigError(f"{RETRY_FAILED}, the one setting of sweeps", word, action)
        if value.lower() not in ("true", "false"):
            raise ConfigError(f"{key} to be true or false", word, f"write {key}=true")
    return settings, [word for word in words if word not in settings]


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
