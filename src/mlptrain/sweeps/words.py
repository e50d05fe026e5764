"""The settings of a sweep itself, and Hydra's, among the words of a command line."""

from __future__ import annotations

from collections.abc import Sequence

from mlptrain.config.spelling import did_you_mean
from mlptrain.errors import ConfigError

RETRY_FAILED = "sweep.retry_failed"


def take_settings(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split `sweep.KEY=VALUE` off the words.

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


def retries_failed(settings: Sequence[str]) -> bool:
    """Whether failed cells are tried again; the last word counts."""
    return bool(settings) and settings[-1].lower().endswith("=true")


def split_hydra(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's own words (`hydra/launcher=…`, `hydra.launcher.n_jobs=…`), and the others."""
    own = [word for word in words if word.lstrip("+~").startswith(("hydra.", "hydra/"))]
    return own, [word for word in words if word not in own]


def quoted(text: str) -> str:
    """A value in Hydra's grammar: any path, with `=`, spaces or quotes in it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
    return f"'{escaped}'"
