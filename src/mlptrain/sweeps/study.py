"""Studies: lists of stages, each with a question, the study's figures, and grids of overrides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from mlptrain.config.location import CONF, STUDY
from mlptrain.config.overrides import parse_overrides
from mlptrain.errors import ConfigError


@dataclass(frozen=True)
class Stage:
    """One step of a study.

    Attributes:
        name: the stage's file, or its `name` where it stands within a study's.
        title: for headings.
        question: what the stage asks.
        finding: what the study answered, from one run each; empty where it did not ask.
        figures: the study's figures in percent, each with the settings it belongs to (`where`).
        grids: a union of products, as words for the command line.
    """

    name: str
    title: str
    question: str
    finding: str = ""
    figures: list[dict[str, Any]] = field(default_factory=list)
    grids: list[list[str]] = field(default_factory=list)


def load_stages(name: str) -> list[Stage]:
    """The stages of a study, in order; a study without stages of its own is one stage.

    Each of a study's `stages` is the name of another study or a whole stage with a name.

    Raises:
        ConfigError: a file is not a study, or two of its stages share a name, by which cells,
            pictures and reports tell them apart.
    """
    content = _read(name)
    if "stages" not in content:
        return [_stage(name, content)]
    stages = []
    for part in content["stages"]:
        stages += [_stage(name, part)] if isinstance(part, dict) else load_stages(part)
    twice = [stage for stage, count in Counter(stage.name for stage in stages).items() if count > 1]
    if twice:
        raise ConfigError(
            "stages with a name each",
            f"conf/{STUDY}/{name}.yaml with two stages called {twice[0]}",
            "give each stage that stands within the file a name of its own",
        )
    return stages


def _stage(file: str, content: dict[str, Any]) -> Stage:
    """A stage as `conf/study/<file>.yaml` has it; without a `name` it is called like the file."""
    try:
        return Stage(
            name=content.get("name", file),
            title=content["title"],
            question=content["question"],
            finding=content.get("finding", ""),
            figures=content.get("figures", []),
            grids=[_words(grid) for grid in content["grids"]],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "title, question and grids in a stage",
            f"conf/{STUDY}/{file}.yaml without {error}",
            "see conf/study/optimizers.yaml, or ablation.yaml for stages within one file",
        ) from None


def pinned(grid: Sequence[str], overrides: Sequence[Any]) -> list[Any]:
    """Return a grid with the command line's overrides last; what they set, the grid no longer sets.

    Args:
        grid: overrides of the study's file.
        overrides: parsed ones of the command line.

    Returns:
        Parsed overrides.
    """
    pinned_keys = {override.key_or_group for override in overrides}
    parsed = parse_overrides(grid)
    return [o for o in parsed if o.key_or_group not in pinned_keys] + list(overrides)


def _read(name: str) -> dict[str, Any]:
    content = yaml.safe_load((CONF / STUDY / f"{name}.yaml").read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}


def _words(grid: dict[str, Any]) -> list[str]:
    """`{activation: [relu, tanh]}` → `activation=relu,tanh`; a list is swept."""
    return [
        f"{key}={','.join(map(_word, value)) if isinstance(value, list) else _word(value)}"
        for key, value in grid.items()
    ]


def _word(value: Any) -> str:
    """A YAML value in Hydra's grammar; text stands for itself."""
    return value if isinstance(value, str) else json.dumps(value)
