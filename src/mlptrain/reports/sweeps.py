"""Sweeps and their stages in a report: what is finished, and how it agrees with the study."""

import shlex
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mlptrain.errors import RunFolderError
from mlptrain.formatting import shown_path
from mlptrain.reports.inside import mechanism
from mlptrain.reports.stages import StageRow, stage_rows, with_predecessor
from mlptrain.reports.statistics import prediction_half_width
from mlptrain.store.race_file import read_race
from mlptrain.store.reading import find_sweep_folders
from mlptrain.store.runs import SPLITS, Run
from mlptrain.store.sweep_file import SweepFile, known_sweep, load

STATUSES = ("finished", "running", "stale", "interrupted", "failed")
"""Of a run; of several runs of one cell the first of these counts."""

MOST_LISTED = 40


def load_sweeps(
    paths: Sequence[Path], runs: Sequence[Run]
) -> tuple[list[SweepFile], list[SweepFile], list[dict[str, str]]]:
    """Return the sweeps at or directly below the paths, further ones that hold some of the runs,
    and the folders whose file cannot be read, with the reason.
    """
    unread = []
    sweeps: dict[Path, SweepFile] = {}
    listed = dict.fromkeys(chain.from_iterable(map(find_sweep_folders, paths)))
    beside = [folder for folder in {r.path.parent: None for r in runs} if folder not in listed]
    for folder in [*listed, *beside]:
        try:
            if sweep := load(folder) if folder in listed else known_sweep(folder):
                sweeps[folder] = sweep
        except RunFolderError as error:
            if folder in listed:
                unread.append({"folder": shown_path(folder), "reason": error.received})
    shown = [sweep for folder, sweep in sweeps.items() if folder in listed]
    return shown, [sweep for folder, sweep in sweeps.items() if folder not in listed], unread


def varied_together(sweep: SweepFile) -> list[set[str]]:
    """Return the config hashes that one grid requested: of each stage, or of all commands."""
    if sweep.study is not None:
        return [set(stage["cells"]) for stage in sweep.stages]
    return [{cell.config_hash for cell in sweep.requested}]


def sweep_entry(sweep: SweepFile, runs: Sequence[Run]) -> dict[str, Any]:
    """Return what a report says of a sweep."""
    status: dict[str, str] = {}
    for kind in reversed(STATUSES):
        status |= {r.facts.config_hash: kind for r in runs if r.status == kind}
    hashes = [cell.config_hash for cell in sweep.requested]
    finished = [run for run in runs if run.facts.status == "finished"]
    missing = [cell.slug for cell in sweep.requested if cell.config_hash not in status]
    return {
        "name": sweep.root.name,
        "study": sweep.study,
        "commands": [shlex.join(command) for command in sweep.commands],
        "asked": len(hashes),
        "cells": {kind: sum(status.get(h) == kind for h in hashes) for kind in STATUSES},
        "not_there": len(missing),
        "missing": missing[:MOST_LISTED],
        "race": _race(sweep.root),
        "stages": _stages(sweep.stages, finished),
    }


def _stages(stages: Sequence[Mapping[str, Any]], finished: Sequence[Run]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    before: list[StageRow] = []
    for stage in stages:
        rows = stage_rows(stage, finished)
        inside = mechanism(with_predecessor(rows, before))
        entries.append({**_stage(stage, rows, finished), "inside": inside})
        before = rows
    return entries


def _race(root: Path) -> dict[str, Any] | None:
    try:
        race = read_race(root)
    except RunFolderError:  # `mlptrain status` says what is wrong with the file
        return None
    return None if race is None else race.model_dump()


def _stage(
    stage: Mapping[str, Any], configurations: Sequence[StageRow], finished: Sequence[Run]
) -> dict[str, Any]:
    cells = set(stage["cells"])
    rows: list[dict[str, Any]] = [
        {
            "label": row.label,
            "seeds": [run.facts.seed for run in row.runs],
            **{s: _beside(row.values(s), row.study.get(s)) for s in SPLITS},
        }
        for row in configurations
    ]
    given = [row[s] for row in rows for s in SPLITS if row[s]["study"] is not None]
    return {
        **{key: stage[key] for key in ("name", "title", "question", "finding")},
        "asked": len(cells),
        "finished": len(cells & {run.facts.config_hash for run in finished}),
        "figures": len(given),
        "within": sum(figure["within"] is True for figure in given),
        "untested": sum(figure["within"] is None for figure in given),
        "rows": rows,
    }


def _beside(ours: Sequence[float], study: float | None) -> dict[str, Any]:
    """Compare our mean with the study's figure: would it be plausible as one more run of ours?"""
    mean = sum(ours) / len(ours) if ours else None
    half = prediction_half_width(ours)
    figure = None if study is None else study / 100
    difference = None if mean is None or figure is None else mean - figure
    within = None if difference is None or half is None else abs(difference) <= half
    return {
        "n": len(ours),
        "mean": mean,
        "half_width": half,
        "study": figure,
        "difference": difference,
        "within": within,
    }
