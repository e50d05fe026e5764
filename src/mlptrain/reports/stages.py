"""The stages of a study: our runs of each, beside the figures that the study gives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from mlptrain.config.settings import format_setting, varying
from mlptrain.errors import RunFolderError
from mlptrain.store.names import SWEEP
from mlptrain.store.reading import read_text
from mlptrain.store.runs import SPLITS, Run, Text


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Figure(_Part):
    where: dict[str, Any] = {}
    train: FiniteFloat | None = None
    validation: FiniteFloat | None = None
    test: FiniteFloat | None = None


class _Stage(_Part):
    name: Text
    title: Text
    question: Text
    finding: Text
    figures: list[_Figure]
    cells: list[Text]


class _Cell(_Part):
    hash: Text
    slug: Text
    commands: list[int]


class Sweep(_Part):
    """What readers need of `sweep.json`, checked: the folder is untrusted.

    Attributes:
        study: the study's name, if it is one.
        commands: the command lines that were given.
        cells: what they train; a cell without a command is no longer part of the sweep.
        stages: of the study.
    """

    study: Text | None
    commands: list[list[Text]]
    cells: list[_Cell]
    stages: list[_Stage]


def read_sweep(folder: Path) -> Sweep:
    """Return the checked `sweep.json` of a sweep's folder.

    Raises:
        RunFolderError: `received` says in one line what is wrong.
    """
    try:
        return Sweep.model_validate(json.loads(read_text(folder, SWEEP)))
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))[:80]}: {first['msg'][:120]}"
    except (ValueError, RecursionError) as error:
        reason = f"not JSON ({str(error)[:80]})"
    raise RunFolderError(
        f"a sweep that mlptrain wrote: {folder}", f"{SWEEP}: {reason}", "restore the file"
    )


@dataclass(frozen=True)
class StageRow:
    """One configuration of a stage.

    Attributes:
        label: its settings that vary within the stage, readable.
        runs: the finished runs, by seed.
        study: the study's figures for it in percent, by split; empty where it gives none.
    """

    label: str
    runs: Sequence[Run]
    study: Mapping[str, float]

    def values(self, split: str) -> list[float]:
        """Accuracy of each run as a fraction."""
        return list(self.by_seed(split).values())

    def by_seed(self, split: str) -> dict[int, float]:
        """Seed → accuracy of its run as a fraction."""
        key = SPLITS[split]
        return {run.facts.seed: run.metrics[key] for run in self.runs if key in run.metrics}


def stage_rows(stage: Mapping[str, Any], runs: Sequence[Run]) -> list[StageRow]:
    """Return the configurations of a stage in the order of its cells.

    Args:
        stage: of `sweep.json`: `cells` are hashes, `figures` the study's.
        runs: finished runs, of other stages too.
    """
    by_hash = {run.facts.config_hash: run for run in runs}
    members = [by_hash[digest] for digest in dict.fromkeys(stage["cells"]) if digest in by_hash]
    columns = varying([run.settings for run in members])
    recipes: dict[str, list[Run]] = {}
    for run in members:
        recipes.setdefault(run.facts.recipe_hash, []).append(run)
    return [
        StageRow(
            label=", ".join(format_setting(key, group[0].settings.get(key)) for key in columns)
            or str(stage["title"]),
            runs=sorted(group, key=lambda run: run.facts.seed),
            study=_figures(stage["figures"], group[0].settings),
        )
        for group in recipes.values()
    ]


def _figures(figures: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, float]:
    for figure in figures:
        if all(settings.get(key) == value for key, value in figure.get("where", {}).items()):
            return {split: float(figure[split]) for split in SPLITS if split in figure}
    return {}
