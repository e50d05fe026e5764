"""Everything that a report contains, as one plain dict: the page and `--json` are two views of it.

Keys, by level (accuracies are fractions, differences too; None is a missing figure):

- `schema_version`, `title`, `written` (UTC), `version` (of mlptrain), `paths`, `baseline` (as it
  was typed), `question`, `verdict` (sentences), `counts` (status → runs; `skipped`; `runs`).
- `groups`: comparable runs, the largest group first. `title`, `heading`, `reason` (why it is
  compared separately), `question`, `verdict`, `settings` (that vary),
  `common_settings` (values that most have, left out of labels), `seeds`, `noise`,
  `selection_bias` (see `comparison.Group`), `baseline` (place in the leaderboard),
  `baseline_found`, `lead` (of the best: `over`, the label of the next best, or None for its own
  accuracy; `half_width` of the 95 % interval, now and with twice the seeds or images,
  `with_twice_the_seeds`, `with_twice_the_images`; `seed_share`, `image_error`), and
  - `configurations`, best on validation first: `label`, `settings`, `recipe_hash`, `n`,
    `validation`, `test`, `train` (each `n`, `mean`, `sd`, `low`, `high`: 95 % interval of the mean
    for new seeds and images; `seed_share` of its variance, `image_error`: `predictions`, `bound` or
    `none`), `versus` (minus the baseline: the same, `paired`, `p`, `p_holm`), `tied`,
    `standing`, `seeds` (each `seed`, `run`, `validation`, `test`, `train`) and `command`.
  - `curves`: see `curves.learning_curves`.
  - `effects`: setting → values with `configurations` and `mean`; `pairs`: two-factor tables.
  - `coverage`: `run`, `of` (null where not every setting is every configuration's), `missing`
    (combinations), `seeds_missing`.
  - `confusion`, `mistakes`, `inside`, `pictures`: see `mistakes.py`, `inside.py` and
    `net_pictures.py`; None or empty for all but the largest groups.
  - `image_by_image`: the best and the named baseline, or the runner-up, on test: their places in
    the leaderboard (`first`, `second`), `is_baseline`, and see `predictions.by_seed`; None where
    there is nothing to compare.
- `sweeps`: `name`, `study`, `commands`, `asked` (cells), `cells` (status → number), `missing`
  (names), `race` (see `store.race_file`; None if it is none) and `stages`, each with `name`,
  `title`, `question`, `finding`, `asked`, `finished`, `figures` (that the study gives for what we
  ran), how many of them lie `within` ours or are `untested`, `inside` (see `inside.mechanism`;
  a single configuration beside that of the stage before) and
  `rows`: `label`, `seeds` and per split `mean`, `n`, `half_width` (of the interval for one more
  run), `study` (its figure), `difference` and `within`.
- `runs`: every run that could be read. `others`: those that are in no comparison, and why.
- `environment`: what → the values met, with the number of runs. `skipped`: folders, with reason.
"""

import base64
import json
import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import chain, product
from pathlib import Path
from typing import Any

import mlptrain
from mlptrain.config.settings import common_settings, format_setting, format_settings, label
from mlptrain.errors import printable
from mlptrain.formatting import quantity, shown_path
from mlptrain.reports.baseline import baseline_of
from mlptrain.reports.comparison import Configuration, Group, compare, seeds_missing
from mlptrain.reports.curves import learning_curves
from mlptrain.reports.inside import inside_the_nets
from mlptrain.reports.mistakes import confusion, mistakes
from mlptrain.reports.net_pictures import net_pictures
from mlptrain.reports.predictions import by_seed
from mlptrain.reports.run_entries import (
    LONGEST_TEXT,
    entry_not_compared,
    environment,
    run_entry,
    scalar,
)
from mlptrain.reports.sweeps import MOST_LISTED, STATUSES, load_sweeps, sweep_entry, varied_together
from mlptrain.reports.verdict import (
    headings,
    question,
    standing,
    verdict,
    verdict_against_baseline,
    verdict_without_comparison,
)
from mlptrain.store.runs import SPLIT_SEED, SPLITS, Run, RunList

SCHEMA_VERSION = 2

_MOST_DETAILED = 3
"""Groups that get confusion matrices and pictures: the largest."""
_MOST_MATRICES = 3
_MOST_COMBINATIONS = 5_000
"""Larger grids are counted, not listed."""
_MOST_EFFECTS = 20
_MOST_IN_TITLE = 3


def report_data(
    inventory: RunList, paths: Sequence[Path], baseline: str | None = None
) -> dict[str, Any]:
    """Return all figures of a report.

    Args:
        inventory: the runs.
        paths: where the runs were searched for; sweeps are searched for there too.
        baseline: which configuration to compare with, `KEY=VALUE,…`; None takes the best.

    Raises:
        UsageError: no finished run is the baseline.
    """
    finished = [run for run in inventory.runs if run.facts.status == "finished"]
    is_baseline = baseline_of(baseline, finished) if baseline and finished else None
    resolved = [path.expanduser().resolve() for path in paths]
    sweeps, beside, unread = load_sweeps(resolved, inventory.runs)
    together = list(chain.from_iterable(map(varied_together, [*sweeps, *beside])))
    groups = [_shortened(group) for group in compare(finished, is_baseline, together)]
    described = [
        _group(group, heading, is_baseline, detailed=i < _MOST_DETAILED)
        for i, (group, heading) in enumerate(zip(groups, headings(groups), strict=True))
    ]
    labels = {
        run.path: (i, c.label)
        for i, group in enumerate(groups)
        for c in group.configurations
        for run in c.runs
    }
    counts: Counter[str] = Counter(run.status for run in inventory.runs)
    data = {
        "schema_version": SCHEMA_VERSION,
        "title": _title(resolved, described, len(inventory.runs)),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": mlptrain.__version__,
        "paths": [shown_path(path) for path in resolved],
        "baseline": baseline,
        "question": described[0]["question"] if described else "",
        "verdict": (
            described[0]["verdict"] if described else [verdict_without_comparison(inventory.runs)]
        ),
        "counts": {
            "runs": len(inventory.runs),
            **{status: counts[status] for status in STATUSES},
            "skipped": len(inventory.skipped),
        },
        "groups": described,
        "sweeps": [sweep_entry(sweep, inventory.runs) for sweep in sweeps],
        "runs": [run_entry(run, labels.get(run.path)) for run in inventory.runs],
        "others": [entry_not_compared(run) for run in inventory.runs if run.path not in labels],
        "environment": environment(inventory.runs),
        "skipped": [
            *(
                {"folder": shown_path(folder), "reason": reason}
                for folder, reason in inventory.skipped
            ),
            *unread,
        ],
    }
    return dict(_plain(data))


def _title(paths: Sequence[Path], groups: Sequence[Mapping[str, Any]], runs: int) -> str:
    """Return the page's title: which folders, and what of their runs is compared."""
    folders = ", ".join(dict.fromkeys(path.name or str(path) for path in paths))
    settings = groups[0]["settings"] if len(groups) == 1 else []
    configurations = sum(len(group["configurations"]) for group in groups)
    if configurations < 2:
        return f"{folders}: {quantity(runs, 'run')}"
    if 1 <= len(settings) <= _MOST_IN_TITLE:
        return f"{folders}: comparison of {' and '.join(settings)}"
    return f"{folders}: comparison of {quantity(configurations, 'configuration')}"


def as_json(data: Mapping[str, Any]) -> str:
    """Return the same as JSON; every number in it is finite."""
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _shortened(group: Group) -> Group:
    """Leave what most configurations have out of the labels, as in `rmsprop, dropout 0.3`.

    The settings themselves stay complete.
    """
    common = _common(group)
    shorter = {
        c.recipe_hash: label(c.settings, common) if common else c.label
        for c in group.configurations
    }
    configurations = [replace(c, label=shorter[c.recipe_hash]) for c in group.configurations]
    baseline = next(c for c in configurations if c.recipe_hash == group.baseline.recipe_hash)
    return replace(group, configurations=configurations, baseline=baseline)


def _common(group: Group) -> dict[str, Any]:
    return common_settings([c.settings for c in group.configurations], group.settings)


def _group(group: Group, heading: str, is_baseline: Any, detailed: bool) -> dict[str, Any]:
    hashes = [c.recipe_hash for c in group.configurations]
    baseline_found = is_baseline is not None and is_baseline(group.baseline.runs[0].settings)
    sentences = verdict(group)
    if baseline_found:
        sentences.append(verdict_against_baseline(group))
    elif is_baseline is not None and len(hashes) > 1:
        sentences.append("None of these is the named baseline, so the best one takes its place.")
    effects = {
        key: [asdict(effect) for effect in values]
        for key, values in list(group.effects.items())[:_MOST_EFFECTS]
    }
    best = group.configurations[:_MOST_MATRICES]
    return {
        "title": group.title,
        "heading": heading,
        "reason": group.reason,
        "question": question(group),
        "verdict": sentences,
        "settings": group.settings,
        "common_settings": [format_setting(key, value) for key, value in _common(group).items()],
        "seeds": group.seeds,
        "noise": group.noise,
        "selection_bias": group.selection_bias,
        "baseline": hashes.index(group.baseline.recipe_hash),
        "baseline_found": baseline_found,
        "lead": _lead(group),
        "configurations": [_configuration(c, group) for c in group.configurations],
        "curves": learning_curves(group.configurations),
        "effects": effects,
        "pairs": [{**asdict(pair), "missing": pair.missing} for pair in group.pairs],
        "coverage": _coverage(group),
        "confusion": (
            [{"configuration": i, **confusion(c)} for i, c in enumerate(best)] if detailed else None
        ),
        "mistakes": mistakes(group.best) if detailed else None,
        "inside": inside_the_nets(group.configurations) if detailed else None,
        "pictures": net_pictures(group.best) if detailed else [],
        "image_by_image": _image_by_image(group, baseline_found) if detailed else None,
    }


def _lead(group: Group) -> dict[str, Any] | None:
    if group.lead is None:
        return None
    estimate = group.lead.estimate
    return {
        "over": group.label_of(group.lead.other),
        "half_width": estimate.half_width,
        "with_twice_the_seeds": estimate.with_more(seeds=2).half_width,
        "with_twice_the_images": estimate.with_more(images=2).half_width,
        "seed_share": estimate.seed_share,
        "image_error": estimate.image_error,
    }


def _image_by_image(group: Group, baseline_found: bool) -> dict[str, Any] | None:
    if len(group.configurations) < 2:
        return None
    is_baseline = baseline_found and group.baseline.recipe_hash != group.best.recipe_hash
    other = group.baseline if is_baseline else group.configurations[1]
    second = [c.recipe_hash for c in group.configurations].index(other.recipe_hash)
    return {"first": 0, "second": second, "is_baseline": is_baseline, **by_seed(group.best, other)}


def _configuration(configuration: Configuration, group: Group) -> dict[str, Any]:
    settings = configuration.settings
    figures = configuration.figures
    return {
        "label": configuration.label,
        "settings": {key: scalar(value) for key, value in settings.items()},
        "recipe_hash": configuration.recipe_hash,
        "n": len(configuration.runs),
        **{split: asdict(figures[split]) if split in figures else None for split in SPLITS},
        "versus": asdict(configuration.versus) if configuration.versus else None,
        "tied": configuration.tied,
        "standing": standing(configuration, group),
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


def _command(runs: Sequence[Run]) -> str | None:
    """Return the command for all seeds of a configuration; None where `run.json` has none.

    The folder is untrusted: only a command line of mlptrain is passed on, quoted.
    """
    arguments = runs[0].facts.command
    if not arguments or arguments[0] != "mlptrain":
        return None
    varied = ("seed", SPLIT_SEED)
    arguments = [
        a for a in arguments[1:] if a.partition("=")[0] not in (*varied, "-m", "--multirun")
    ]
    seeds = list(dict.fromkeys(str(run.facts.seed) for run in runs))
    splits = list(dict.fromkeys(str(run.block[0]) if run.block[0] >= 0 else "null" for run in runs))
    sweep = ["-m"] if len(runs) > 1 else []
    split = [] if splits == ["null"] else [f"{SPLIT_SEED}={','.join(splits)}"]
    return shlex.join(["mlptrain", *sweep, *arguments, *split, f"seed={','.join(seeds)}"])


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
                settings = {
                    key: values[key][value]
                    for key, value in zip(group.settings, combination, strict=True)
                }
                missing.append(format_settings(settings, settings))
    return {
        "run": run,
        "of": of,
        "values": {key: [str(value) for value in met.values()] for key, met in values.items()},
        "missing": missing[:MOST_LISTED],
        "seeds_missing": [
            {"configuration": label, "seeds": seeds} for label, seeds in seeds_missing(group)
        ],
    }


def _plain(node: Any) -> Any:
    """Make untrusted values harmless: control characters spelled out, texts of bounded
    length, no number that JSON cannot say."""
    match node:
        case Mapping():
            return {str(_plain(key)): _plain(value) for key, value in node.items()}
        case list() | tuple():
            return [_plain(item) for item in node]
        case bytes():  # a picture, drawn by us
            return base64.b64encode(node).decode("ascii")
        case str():
            return printable(node if len(node) <= LONGEST_TEXT else f"{node[:LONGEST_TEXT]}…")
        case float() if not math.isfinite(node):
            return None
    return node
