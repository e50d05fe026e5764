"""Read the file of a search: one of `conf/search`, or a path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mlptrain.config.location import SEARCH, choices, file_of
from mlptrain.config.overrides import normalize
from mlptrain.config.spelling import did_you_mean
from mlptrain.errors import ConfigError
from mlptrain.search.space import Space


def load_space(name: str) -> tuple[str, Space]:
    """Load a search from `conf/search`, or from a path that ends in `.yaml`.

    Returns:
        Its name and its space.

    Raises:
        ConfigError: there is no such file, or it is not a search; the error names the entry.
    """
    known = choices(SEARCH)
    path = Path(name) if name.endswith((".yaml", ".yml")) else file_of(SEARCH, name)
    try:
        is_file = path.is_file()
    except OSError:  # too long a name
        is_file = False
    if not is_file:
        raise ConfigError(
            f"a search: {', '.join(known)}, or the path of a YAML file",
            name,
            did_you_mean(name, known, "mlptrain search ", otherwise="or write your own file"),
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return path.stem, Space.model_validate(_normalized(content))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(
            "settings, space, trials, sampler and halving", f"{path}: {_first(error)}",
            f"compare it with {SEARCH}/{known[0]}.yaml",
        ) from None  # fmt: skip


def _normalized(content: Any) -> Any:
    """Return the file's content with one spelling for each key, as on the command line."""
    if not isinstance(content, dict):
        return content
    if isinstance(settings := content.get("settings"), list):
        texts = [text for text in settings if isinstance(text, str)]
        content["settings"] = normalize(texts) if texts == settings else settings
    if isinstance(space := content.get("space"), dict):
        spelled: dict[str, Any] = {}
        for key, entry in space.items():
            if (name := _spelling(key)) in spelled:
                raise ValueError(f"space.{key}: each key once; it is the same as {name}")
            spelled[name] = entry
            if isinstance(entry, dict) and isinstance(when := entry.get("when"), Mapping):
                entry["when"] = {_spelling(parent): values for parent, values in when.items()}
        content["space"] = spelled
    return content


def _spelling(key: Any) -> str:
    return normalize([f"{key}=1"])[0].partition("=")[0]


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error).splitlines()[0]
    problem: Any = error.errors(include_url=False)[0]
    path = [str(part) for part in problem["loc"]]
    if path[:1] == ["space"]:
        del path[2:3]  # which of the two kinds of entry it was taken for
    message = problem["msg"].removeprefix("Value error, ")
    return ": ".join(part for part in (".".join(path), message) if part)
