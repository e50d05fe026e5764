"""The stages of a study: our runs of each, beside the figures that the study gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlptrain.config.settings import format_settings, varying
from mlptrain.store.runs import SPLITS, Block, Run, by_recipe


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
        """Return the accuracy of each run as a fraction."""
        return list(self.by_seed(split).values())

    def by_seed(self, split: str) -> dict[Block, float]:
        """Return block → accuracy of its run as a fraction."""
        key = SPLITS[split]
        return {run.block: run.metrics[key] for run in self.runs if key in run.metrics}


def stage_rows(stage: Mapping[str, Any], runs: Sequence[Run]) -> list[StageRow]:
    """Return the configurations of a stage in the order of its cells.

    Args:
        stage: of `sweep.json`: `cells` are hashes, `figures` the study's.
        runs: finished runs, of other stages too.
    """
    by_hash = {run.facts.config_hash: run for run in runs}
    members = [by_hash[digest] for digest in dict.fromkeys(stage["cells"]) if digest in by_hash]
    columns = varying([run.recipe for run in members])
    return [
        StageRow(
            label=format_settings(group[0].settings, columns) or str(stage["title"]),
            runs=group,
            study=_figures(stage["figures"], group[0].settings),
        )
        for group in by_recipe(members)
    ]


def with_predecessor(rows: Sequence[StageRow], before: Sequence[StageRow]) -> list[StageRow]:
    """Return a stage's rows; a single one after the row of the stage before that it changes.

    Args:
        rows: of a stage.
        before: of the stage before; of several, the one with the most equal settings is taken.
    """
    if len(rows) != 1 or not before:
        return list(rows)

    def columns(row: StageRow) -> list[str]:
        return varying([row.runs[0].recipe, rows[0].runs[0].recipe])

    first = min(before, key=lambda row: len(columns(row)))
    return [
        replace(row, label=format_settings(row.runs[0].settings, columns(first)) or row.label)
        for row in (first, rows[0])
    ]


def _figures(figures: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, float]:
    for figure in figures:
        if all(settings.get(key) == value for key, value in figure.get("where", {}).items()):
            return {split: float(figure[split]) for split in SPLITS if split in figure}
    return {}
