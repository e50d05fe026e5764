"""Everything that a report says, as one plain dict: the page and `--json` are two views of it.

Keys, by level (accuracies are fractions, differences too; None is a figure that there is not):

- `schema_version`, `title`, `written` (UTC), `version` (of mlptrain), `paths`, `baseline` (as it
  was typed), `question`, `verdict` (sentences), `counts` (status → runs; `skipped`; `runs`).
- `groups`: comparable runs, the largest group first. `title`, `heading`, `reason` (why it is kept
  apart), `question`, `verdict`, `settings` (that vary), `usual`
  (values that most have, left out of labels), `seeds`, `noise`, `flattery` (see
  `comparison.Group`), `baseline` (place in the leaderboard), `baseline_found`, and
  - `configurations`, best on validation first: `label`, `settings`, `recipe_hash`, `n`,
    `validation`, `test`, `train` (each `n`, `mean`, `sd`, `low`, `high`: 95 % interval of it),
    `versus` (minus the baseline: `n`, `paired`, `mean`, `low`, `high`, `p`, `p_holm`), `tied`,
    `standing`, `seeds` (each `seed`, `run`, `validation`, `test`, `train`) and `command`.
  - `curves`: see `curves.learning_curves`.
  - `effects`: setting → values with `configurations` and `mean`; `pairs`: two-factor tables.
  - `coverage`: `run`, `of` (null where not every setting is every configuration's), `missing`
    (combinations), `seeds_missing`.
  - `confusion`, `mistakes`: see `mistakes.py`; None where they were not asked for.
  - `image_by_image`: the best and the named baseline, or the runner-up, on test: their places in
    the leaderboard (`first`, `second`), `is_baseline`, and see `predictions.by_seed`; None where
    there is nothing to compare.
- `sweeps`: `name`, `study`, `commands`, `asked` (cells), `cells` (status → number), `missing`
  (names) and `stages`, each with `name`, `title`, `question`, `finding`, `asked`, `finished`,
  `figures` (that the study gives for what we ran), how many of them lie `within` ours or are
  `untested`, and `rows`: `label`, `seeds` and per split `mean`, `n`, `half_width` (of the interval
  for one more run), `study` (its figure), `difference` and `within`.
- `runs`: every run that could be read. `others`: those that are in no comparison, and why.
- `environment`: what → the values met, with the number of runs. `skipped`: folders, with reason.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import mlptrain
from mlptrain.config.settings import flat, label, told, usual
from mlptrain.errors import RunFolderError, printable
from mlptrain.reports.baseline import baseline_of
from mlptrain.reports.comparison import (
    Configuration,
    Group,
    compare,
    seeds_missing,
    verdict,
)
from mlptrain.reports.curves import learning_curves
from mlptrain.reports.mistakes import confusion, mistakes
from mlptrain.reports.predictions import by_seed
from mlptrain.reports.stages import Sweep, read_sweep, stage_rows
from mlptrain.reports.statistics import prediction_half_width
from mlptrain.store import run_folder as names
from mlptrain.store.runs import SPLITS, Found, Run, read_text

SCHEMA_VERSION = 1

_STATUSES = ("finished", "running", "stale", "interrupted", "failed")
"""Of a run; of several runs of one cell the first of these counts."""


_LONGEST_TEXT = 8_000
"""Longer than a picture of 32 by 32 pixels in base64."""
_MOST_DETAILED = 3
"""Groups that get confusion matrices and pictures: the largest."""
_MOST_MATRICES = 3
_MOST_COMBINATIONS = 5_000
"""Larger grids are counted, not listed."""
_MOST_LISTED = 40
_MOST_EFFECTS = 20


def report_data(found: Found, paths: Sequence[Path], baseline: str | None = None) -> dict[str, Any]:
    """All figures of a report.

    Args:
        found: the runs.
        paths: where they were looked for; sweeps are looked for there too.
        baseline: which configuration to compare with, `KEY=VALUE,…`; None takes the best.

    Raises:
        UsageError: no finished run is the baseline.
    """
    finished = [run for run in found.runs if run.facts.status == "finished"]
    wanted = baseline_of(baseline, finished) if baseline and finished else None
    groups = [_shortened(group) for group in compare(finished, wanted)]
    headings = _headings(groups)
    told_groups = [
        _group(group, heading, wanted, detailed=i < _MOST_DETAILED)
        for i, (group, heading) in enumerate(zip(groups, headings, strict=True))
    ]
    labels = {
        run.path: (i, c.label)
        for i, group in enumerate(groups)
        for c in group.configurations
        for run in c.runs
    }
    resolved = [path.expanduser().resolve() for path in paths]
    sweeps, unread = _sweeps(resolved, found.runs)
    counts: Counter[str] = Counter(run.status for run in found.runs)
    data = {
        "schema_version": SCHEMA_VERSION,
        "title": ", ".join(dict.fromkeys(path.name or str(path) for path in resolved)),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": mlptrain.__version__,
        "paths": [_shown(path) for path in resolved],
        "baseline": baseline,
        "question": told_groups[0]["question"] if told_groups else "",
        "verdict": told_groups[0]["verdict"] if told_groups else [_nothing(found.runs)],
        "counts": {
            "runs": len(found.runs),
            **{status: counts[status] for status in _STATUSES},
            "skipped": len(found.skipped),
        },
        "groups": told_groups,
        "sweeps": sweeps,
        "runs": [_run(run, labels.get(run.path)) for run in found.runs],
        "others": [_other(run, found.runs) for run in found.runs if run.path not in labels],
        "environment": _environment(found.runs),
        "skipped": [
            *({"folder": _shown(folder), "reason": reason} for folder, reason in found.skipped),
            *unread,
        ],
    }
    return dict(_plain(data))


def as_json(data: Mapping[str, Any]) -> str:
    """The same as a JSON text; every number in it is finite."""
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _shortened(group: Group) -> Group:
    """Labels without what most configurations have: `rmsprop, dropout 0.3` tells more.

    The settings themselves stay whole.
    """
    common = _usual(group)
    shorter = {
        c.recipe_hash: label(c.settings, common) if common else c.label
        for c in group.configurations
    }
    configurations = [replace(c, label=shorter[c.recipe_hash]) for c in group.configurations]
    baseline = next(c for c in configurations if c.recipe_hash == group.baseline.recipe_hash)
    return replace(group, configurations=configurations, baseline=baseline)


def _usual(group: Group) -> dict[str, Any]:
    return usual([c.settings for c in group.configurations], group.settings)


def _headings(groups: Sequence[Group]) -> list[str]:
    """What tells a group from the others; of a single one, its data."""
    titles = [group.title.split(", ") for group in groups]
    if len(titles) == 1:
        return [re.sub(r"^data (\w+) [0-9a-f]{8}$", r"\1", titles[0][0])]
    shared = set.intersection(*map(set, titles)) if titles else set()
    told_apart = [[part for part in title if part not in shared] or title[:1] for title in titles]
    return [", ".join(map(_spoken, parts)) for parts in told_apart]


def _spoken(part: str) -> str:
    """`epochs 30` → `30 epochs`."""
    said = re.sub(r"^epochs (\d+)$", r"\1 epochs", part)
    return "1 epoch" if said == "1 epochs" else said


def _group(group: Group, heading: str, wanted: Any, detailed: bool) -> dict[str, Any]:
    hashes = [c.recipe_hash for c in group.configurations]
    baseline_found = wanted is not None and wanted(group.baseline.runs[0].settings)
    said = verdict(group)
    if baseline_found:
        said.append(_against_baseline(group))
    elif wanted is not None and len(hashes) > 1:
        said.append("None of these is the baseline that was asked for: the best one is taken.")
    effects = {
        key: [
            {"value": e.value, "configurations": e.configurations, "mean": e.mean} for e in values
        ]
        for key, values in list(group.effects.items())[:_MOST_EFFECTS]
    }
    best = group.configurations[:_MOST_MATRICES]
    return {
        "title": group.title,
        "heading": heading,
        "reason": group.reason,
        "question": _question(group),
        "verdict": said,
        "settings": group.settings,
        "usual": [told(key, value) for key, value in _usual(group).items()],
        "seeds": group.seeds,
        "noise": group.noise,
        "flattery": group.flattery,
        "baseline": hashes.index(group.baseline.recipe_hash),
        "baseline_found": baseline_found,
        "configurations": [_configuration(c, group) for c in group.configurations],
        "curves": learning_curves(group.configurations),
        "effects": effects,
        "pairs": [{**asdict(pair), "missing": pair.missing} for pair in group.pairs],
        "coverage": _coverage(group),
        "confusion": (
            [{"configuration": i, **confusion(c)} for i, c in enumerate(best)] if detailed else None
        ),
        "mistakes": mistakes(group.best) if detailed else None,
        "image_by_image": _image_by_image(group, baseline_found) if detailed else None,
    }


def _image_by_image(group: Group, baseline_found: bool) -> dict[str, Any] | None:
    if len(group.configurations) < 2:
        return None
    is_baseline = baseline_found and group.baseline.recipe_hash != group.best.recipe_hash
    other = group.baseline if is_baseline else group.configurations[1]
    second = [c.recipe_hash for c in group.configurations].index(other.recipe_hash)
    return {
        "first": 0,
        "second": second,
        "is_baseline": is_baseline,
        **by_seed(group.best, other),
    }


def _question(group: Group) -> str:
    if len(group.configurations) == 1:
        return "How good is this configuration on images it was not trained on?"
    # `callbacks.early_stopping.enabled` is early stopping, `augmentation.std` keeps its group.
    keys = [
        " ".join(key.removesuffix(".enabled").split(".")[-2:]).replace("_", " ")
        for key in group.settings
    ]
    listed = ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
    return (
        f"Which of {len(group.configurations)} configurations is best on validation? "
        f"They differ in {listed}."
    )


def _against_baseline(group: Group) -> str:
    tested = [
        c.versus
        for c in group.configurations
        if c.versus is not None and c.versus.p_holm is not None
    ]
    clear = [d for d in tested if d.p_holm is not None and d.p_holm < 0.05]
    better, worse = sum(d.mean > 0 for d in clear), sum(d.mean < 0 for d in clear)
    others = len(group.configurations) - 1
    return (
        f"Against the baseline, {group.baseline.label}: {better} of {others} better, {worse} worse "
        f"at 5 %, corrected by Holm; {others - len(tested)} could not be tested."
    )


def _configuration(configuration: Configuration, group: Group) -> dict[str, Any]:
    settings = configuration.settings
    figures = configuration.figures
    return {
        "label": configuration.label,
        "settings": {key: _scalar(value) for key, value in settings.items()},
        "recipe_hash": configuration.recipe_hash,
        "n": len(configuration.runs),
        **{split: asdict(figures[split]) if split in figures else None for split in SPLITS},
        "versus": asdict(configuration.versus) if configuration.versus else None,
        "tied": configuration.tied,
        "standing": _standing(configuration, group),
        "seeds": [
            {
                "seed": run.facts.seed,
                "run": run.path.name,
                **{split: run.metrics.get(key) for split, key in SPLITS.items()},
            }
            for run in configuration.runs
        ],
        "command": _command(configuration.runs),
    }


def _nothing(runs: Sequence[Run]) -> str:
    """The verdict where there is nothing to compare."""
    if any(run.facts.status == "finished" for run in runs):
        return "No finished run has a validation accuracy to compare by."
    return "No run is finished yet."


def _standing(configuration: Configuration, group: Group) -> str:
    """How it stands to the best, the one comparison that was tested; no places beyond that."""
    if len(configuration.runs) == 1:
        return "one seed"
    if configuration.recipe_hash == group.best.recipe_hash:
        return "best"
    if configuration.tied is None:
        return "not testable"
    return "tied with best" if configuration.tied else "below best"


def _command(runs: Sequence[Run]) -> str | None:
    """What to type for all seeds of a configuration; None where `run.json` does not tell.

    The folder may be a stranger's: only a command line of mlptrain is passed on, quoted.
    """
    words = runs[0].facts.command
    if not words or words[0] != "mlptrain":
        return None
    kept = [w for w in words[1:] if w.partition("=")[0] != "seed" and w not in ("-m", "--multirun")]
    seeds = ",".join(str(run.facts.seed) for run in runs)
    sweep = ["-m"] if len(runs) > 1 else []
    return shlex.join(["mlptrain", *sweep, *kept, f"seed={seeds}"])


def _coverage(group: Group) -> dict[str, Any]:
    run, of = group.coverage
    values = {
        key: {repr(c.settings[key]): c.settings[key] for c in group.configurations}
        for key in group.settings
    }
    missing = []
    if of is not None and run < of <= _MOST_COMBINATIONS:
        there = {
            tuple(repr(c.settings[key]) for key in group.settings) for c in group.configurations
        }
        for combination in product(*values.values()):
            if combination not in there:
                missing.append(
                    ", ".join(
                        told(key, values[key][value])
                        for key, value in zip(group.settings, combination, strict=True)
                    )
                )
    return {
        "run": run,
        "of": of,
        "values": {key: [str(value) for value in met.values()] for key, met in values.items()},
        "missing": missing[:_MOST_LISTED],
        "seeds_missing": [
            {"configuration": label, "seeds": seeds} for label, seeds in seeds_missing(group)
        ],
    }


def _sweeps(
    paths: Sequence[Path], runs: Sequence[Run]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The sweeps at or right below the paths, and those whose file cannot be read."""
    told_sweeps, unread = [], []
    for folder in dict.fromkeys(_with_sweep(paths)):
        try:
            told_sweeps.append(_sweep(folder.name, read_sweep(folder), runs))
        except RunFolderError as error:
            unread.append({"folder": _shown(folder), "reason": error.received})
    return told_sweeps, unread


def _with_sweep(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if (path / names.SWEEP).is_file():
            yield path
        else:
            yield from sorted(
                file.parent
                for file in path.glob(f"*/{names.SWEEP}")
                if not file.parent.is_symlink()
            )


def _sweep(name: str, sweep: Sweep, runs: Sequence[Run]) -> dict[str, Any]:
    status: dict[str, str] = {}
    for kind in reversed(_STATUSES):
        status |= {r.facts.config_hash: kind for r in runs if r.status == kind}
    asked = [cell for cell in sweep.cells if cell.commands]
    finished = [run for run in runs if run.facts.status == "finished"]
    missing = [cell.slug for cell in asked if cell.hash not in status]
    return {
        "name": name,
        "study": sweep.study,
        "commands": [shlex.join(command) for command in sweep.commands],
        "asked": len(asked),
        "cells": {kind: sum(status.get(cell.hash) == kind for cell in asked) for kind in _STATUSES},
        "not_there": len(missing),
        "missing": missing[:_MOST_LISTED],
        "stages": [_stage(stage.model_dump(exclude_none=True), finished) for stage in sweep.stages],
    }


def _stage(stage: Mapping[str, Any], finished: Sequence[Run]) -> dict[str, Any]:
    cells = set(stage["cells"])
    rows: list[dict[str, Any]] = [
        {
            "label": row.label,
            "seeds": [run.facts.seed for run in row.runs],
            **{s: _beside(row.values(s), row.study.get(s)) for s in SPLITS},
        }
        for row in stage_rows(stage, finished)
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
    """Our mean beside the study's figure, and whether one more run of ours could be it."""
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


def _run(run: Run, place: tuple[int, str] | None) -> dict[str, Any]:
    return {
        "run": run.path.name,
        "status": run.status,
        "group": place[0] if place else None,
        "configuration": place[1] if place else None,
        "seed": run.facts.seed,
        **{split: run.metrics.get(key) for split, key in SPLITS.items()},
        **{key: run.metrics.get(key) for key in ("best_epoch", "epochs_run", "seconds")},
        "started": run.facts.started,
        "config_hash": run.facts.config_hash,
        "notes": list(run.notes),
    }


def _other(run: Run, runs: Sequence[Run]) -> dict[str, Any]:
    """A run in no comparison: what it is, how far it got, what to do."""
    accuracies = [row["val_accuracy"] for row in run.history]
    reason, action = run.facts.reason, f"mlptrain resume {shlex.quote(_shown(run.path))}"
    seen = None
    match run.status:
        case "running":
            seen = _sign_of_life(run)
            reason, action = "not finished", "wait; if its process is gone: " + action
        case "stale":
            seen = _sign_of_life(run)
            reason = "its process is gone"
        case "failed":
            reason = reason or "no reason given"
        case "interrupted":
            reason = reason or "stopped from outside"
        case _ if "val_accuracy" in run.metrics:
            reason, action = "the same experiment as a later folder's: it counts once", ""
        case _:
            reason, action = "no validation accuracy to choose by", ""
    return {
        "run": run.path.name,
        "status": run.status,
        "seed": run.facts.seed,
        "reason": reason,
        "epochs": len(run.history),
        "of": _scalar(run.settings.get("train.epochs")),
        "validation": accuracies[-1] if accuracies else run.metrics.get("val_accuracy"),
        "test": run.metrics.get("test_accuracy"),
        "seen": seen,
        "action": action,
    }


def _sign_of_life(run: Run) -> str | None:
    try:
        beat = json.loads(read_text(run.path, names.HEARTBEAT))
        return datetime.fromisoformat(beat["time"]).isoformat(timespec="seconds")
    except (RunFolderError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _environment(runs: Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """What → the values met, the most frequent first."""
    met: dict[str, Counter[str]] = {}
    for run in runs:
        git = run.facts.git or {}
        commit = f"{git.get('commit')}{' with uncommitted changes' if git.get('dirty') else ''}"
        facts = {
            **run.facts.versions,
            **({"git commit": commit} if git.get("commit") else {}),
            **{f"machine: {k}": v for k, v in flat(run.facts.machine or {}).items()},
            **{f"data: {k}": v for k, v in flat(run.facts.data or {}).items()},
        }
        for key, value in facts.items():
            if value is not None and len(met) < 100:
                met.setdefault(key, Counter())[str(value)[:_LONGEST_TEXT]] += 1
    return {
        key: [{"value": value, "runs": count} for value, count in values.most_common(12)]
        for key, values in met.items()
    }


def _shown(path: Path) -> str:
    """Relative where it is below the working directory, as one would type it here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _scalar(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _plain(node: Any) -> Any:
    """What came from strangers, made harmless: control characters spelled out, texts of bounded
    length, no number that JSON cannot say."""
    match node:
        case Mapping():
            return {str(_plain(key)): _plain(value) for key, value in node.items()}
        case list() | tuple():
            return [_plain(item) for item in node]
        case str():
            return printable(node if len(node) <= _LONGEST_TEXT else f"{node[:_LONGEST_TEXT]}…")
        case float() if not math.isfinite(node):
            return None
    return node
