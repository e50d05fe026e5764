"""Studies: lists of stages, each with a question, the study's results, and grids of overrides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mlptrain.config.location import STUDY, file_of
from mlptrain.config.overrides import parse_overrides
from mlptrain.errors import ConfigError, reason_of

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


_EXAMPLES = (
    "`mlptrain options --copy study/optimizers` writes an example; "
    "study/ablation has stages within one file"
)


@dataclass(frozen=True)
class Stage:
    """One step of a study.

    Attributes:
        name: the stage's file, or its `name` where it stands within a study's.
        title: heading of the stage.
        question: the question that the stage answers.
        finding: answer of the original study, from one run each; empty for a new question.
        figures: accuracies of the original study in percent, each with its settings (`where`).
        grids: overrides; each grid is the product of its swept overrides, the stage their union.
    """

    name: str
    title: str
    question: str
    finding: str = ""
    figures: list[dict[str, Any]] = field(default_factory=list)
    grids: list[list[str]] = field(default_factory=list)


def load_stages(name: str) -> list[Stage]:
    """Load the stages of a study, in order; a study without `stages` is one stage.

    Each of a study's `stages` is the name of another study or a whole stage with a name.

    Raises:
        ConfigError: a file is not a study, or two of its stages have the same name, which cells,
            figures and reports need to be unique.
    """
    content = _read(name)
    if "stages" not in content:
        return [_stage(Path(name).stem, content)]
    stages: list[Stage] = []
    for part in content["stages"] if isinstance(content["stages"], list) else [None]:
        if isinstance(part, dict):
            stages.append(_stage(Path(name).stem, part))
        elif isinstance(part, str) and part != name:
            stages += load_stages(part)
        else:
            raise ConfigError(
                "stages as a list of other studies' names and of whole stages",
                f"{STUDY}={name} with {part or content['stages']!r} among its stages",
                _EXAMPLES,
            )
    duplicates = [
        stage for stage, count in Counter(stage.name for stage in stages).items() if count > 1
    ]
    if duplicates:
        raise ConfigError(
            "stages with different names",
            f"{STUDY}={name} with two stages named {duplicates[0]}",
            "give each stage within the file its own name",
        )
    return stages


def _stage(file: str, content: dict[str, Any]) -> Stage:
    """Read a stage of `conf/study/<file>.yaml`; without a `name` it has that of the file."""
    missing = [key for key in ("title", "question", "grids") if key not in content]
    grids = content.get("grids")
    if missing or not isinstance(grids, list) or not all(isinstance(grid, dict) for grid in grids):
        raise ConfigError(
            "title, question and grids in a stage; grids is a list of KEY: VALUES",
            f"{STUDY}={file} "
            + (f"without {', '.join(missing)}" if missing else "with other grids"),
            _EXAMPLES,
        )
    return Stage(
        name=content.get("name", file),
        title=content["title"],
        question=content["question"],
        finding=content.get("finding", ""),
        figures=content.get("figures", []),
        grids=[_overrides(grid) for grid in grids],
    )


def pinned(grid: Sequence[str], overrides: Sequence[Override]) -> list[Override]:
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
    """Read a study's file, which may be the user's own."""
    file = Path(name).expanduser() if name.endswith((".yaml", ".yml")) else file_of(STUDY, name)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(
            "a readable file of a study",
            f"{file}: {reason_of(error)}",
            _EXAMPLES,
        ) from None
    return content if isinstance(content, dict) else {}


def _overrides(grid: dict[str, Any]) -> list[str]:
    """`{activation: [relu, tanh]}` → `activation=relu,tanh`; a list is swept."""
    return [
        f"{key}={','.join(map(_spelled, value)) if isinstance(value, list) else _spelled(value)}"
        for key, value in grid.items()
    ]


def _spelled(value: Any) -> str:
    """Spell a YAML value in Hydra's grammar; text stays as it is."""
    return value if isinstance(value, str) else json.dumps(value)
