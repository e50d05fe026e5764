"""Read the file of a search: one of `conf/search`, or a path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from mlptrain.config.location import SEARCH, choices, file_of
from mlptrain.config.overrides import normalize
from mlptrain.config.spelling import did_you_mean, spelled
from mlptrain.errors import ConfigError
from mlptrain.search.space import Space

_PARTS = "settings, space, trials, sampler and halving"


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
            did_you_mean(
                name,
                known,
                "mlptrain search ",
                otherwise="choose one, or `mlptrain options --copy search/optimizers` and edit it",
            ),
        )
    to_do = f"compare it with the file that `mlptrain options --copy {SEARCH}/{known[0]}` writes"
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))  # refuses a key that is there twice
        return path.stem, Space.model_validate(_normalized(content))
    except ValidationError as error:
        problem: Any = error.errors(include_url=False)[0]
        where = [str(part) for part in problem["loc"]]
        expected = problem["msg"].removeprefix("Value error, ")
        if where[:1] == ["space"]:
            del where[2:3]  # which of the two kinds of entry it was taken for
        if where[-1:] in (["int"], ["float"]):
            del where[-1]
            expected = "a number"
        if problem["type"] == "missing":
            expected = "an entry of this name"
        if problem["type"].startswith("model_"):
            expected = "choices, or low and high" if where else _PARTS
        received = f"{path}: {spelled(problem['input'])[:80]}" if where else str(path)
        raise ConfigError(
            ": ".join(part for part in (".".join(where), expected) if part), received, to_do
        ) from None
    except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException, RecursionError) as error:
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigError(_PARTS, f"{path}: {reason}", to_do) from None


def _normalized(content: Any) -> Any:
    """Return the file's content with one spelling for each key, as on the command line."""
    if not isinstance(content, dict):
        return content
    if isinstance(settings := content.get("settings"), list):
        texts = [text for text in settings if isinstance(text, str)]
        content["settings"] = normalize(texts) if texts == settings else settings
    if isinstance(space := content.get("space"), dict):
        entries: dict[str, Any] = {}
        for key, entry in space.items():
            if (name := _spelling(key)) in entries:
                raise ValueError(f"space.{key}: each key once; it is the same as {name}")
            entries[name] = entry
            if isinstance(entry, dict) and isinstance(when := entry.get("when"), Mapping):
                entry["when"] = {_spelling(parent): values for parent, values in when.items()}
        content["space"] = entries
    return content


def _spelling(key: Any) -> str:
    return normalize([f"{key}=1"])[0].partition("=")[0]
