"""Comparison of runs: which ones are comparable, how they rank, and how uncertain that is.

Everything is chosen and ordered by validation accuracy. Test accuracy stands beside it and is
never used to choose, so that it stays an unbiased estimate.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import prod, sqrt
from statistics import fmean
from typing import Any

from mlptrain.config.settings import format_settings, varying
from mlptrain.reports.effects import Effect, TwoFactors, effects_of, pairs_of
from mlptrain.reports.estimates import accuracy_of, difference_of
from mlptrain.reports.image_results import ImageResults, image_count
from mlptrain.reports.statistics import (
    Difference,
    Sample,
    binomial_sd,
    describe,
    holm,
    selection_bias,
)
from mlptrain.store.runs import SPLITS, Run, by_recipe
from mlptrain.uncertainty import Estimate


@dataclass(frozen=True)
class Configuration:
    """All runs of one recipe: the same but for the seed.

    Attributes:
        recipe_hash: its identity.
        label: the settings that distinguish it from the others of its group.
        settings: these settings.
        runs: by seed.
        figures: split → mean, SD and interval over the seeds, as fractions.
        versus: minus the baseline, on validation; None for the baseline itself.
        tied: whether it is not distinguishable from the best one, by a test at 5 % corrected over
            the table; None where there are too few seeds to test.
    """

    recipe_hash: str
    label: str
    settings: dict[str, Any]
    runs: Sequence[Run]
    figures: Mapping[str, Sample]
    versus: Difference | None
    tied: bool | None

    @property
    def validation(self) -> float:
        """Mean validation accuracy, by which everything is ordered."""
        return self.figures["validation"].mean


@dataclass(frozen=True)
class Lead:
    """How sure the place of the best configuration is.

    Attributes:
        other: recipe hash of the next best one that could be tested; None for a single
            configuration.
        estimate: of the other's difference from the best, or of the single one's accuracy.
    """

    other: str | None
    estimate: Estimate


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: same data, split, epochs and major versions.

    Attributes:
        title: what they have in common where other groups differ.
        reason: why they are not compared with the largest group; empty for that group itself.
        configurations: best on validation first.
        baseline: the one that `versus` refers to.
        settings: those that vary.
        effects: setting → its values, best first; only for settings that vary on their own.
        pairs: two-factor tables.
        coverage: (configurations that were run, size of the full grid of what varies); there is
            no such grid, None, where a setting belongs to some of them only, as SGD's momentum.
        selection_bias: by how much the best one's validation accuracy is expected to be too
            optimistic, because it was chosen.
        noise: SD of the best one's mean, which `selection_bias` assumes of them all.
        seeds: all seeds.
        lead: how sure the place of the best is; None where that takes more seeds.
    """

    title: str
    reason: str
    configurations: list[Configuration]
    baseline: Configuration
    settings: list[str]
    effects: dict[str, list[Effect]]
    pairs: list[TwoFactors]
    coverage: tuple[int, int | None]
    selection_bias: float
    noise: float
    seeds: list[int]
    lead: Lead | None

    @property
    def best(self) -> Configuration:
        """Highest mean validation accuracy."""
        return self.configurations[0]

    def label_of(self, recipe_hash: str | None) -> str | None:
        """Return the label of one of the configurations."""
        return next((c.label for c in self.configurations if c.recipe_hash == recipe_hash), None)


def compare(
    runs: Sequence[Run], is_baseline: Any = None, sweeps: Sequence[Set[str]] = ()
) -> list[Group]:
    """Group, average and order finished runs.

    Args:
        runs: those that are not finished are left out.
        is_baseline: settings → whether a configuration is the one to compare with; None takes
            the best on validation.
        sweeps: config hashes of each sweep's cells. What a sweep varies is a setting: its runs
            are compared although their epochs or split differ.

    Returns:
        Groups of comparable runs, the one with most runs first.
    """
    usable = [r for r in runs if r.facts.status == "finished" and "val_accuracy" in r.metrics]
    parts: dict[_Ground, list[Run]] = {}
    for run in usable:
        parts.setdefault(_common_ground(run), []).append(run)
    for cells in sweeps:
        _join(parts, cells)
    ordered = sorted(parts.items(), key=lambda part: -len(part[1]))
    results = ImageResults()
    return [_group(key, ordered[0][0], members, is_baseline, results) for key, members in ordered]


_GROUND = ("data", "split", "epochs", "tensorflow", "keras")
_SWEPT = ("split", "epochs")
"""May differ within a sweep."""
_Ground = tuple[str, ...]


def _common_ground(run: Run) -> _Ground:
    """Return what must be equal for two runs to be comparable."""
    data = run.facts.data or {}
    sizes = data.get("sizes")
    split = " / ".join(map(str, sizes.values())) if isinstance(sizes, dict) else "unknown"
    versions = run.facts.versions
    return (
        f"{data.get('name', 'unknown')} {str(data.get('checksum', ''))[:8]}",
        split,
        str(run.settings.get("train.epochs", "unknown")),
        *(versions.get(package, "unknown").partition(".")[0] for package in _GROUND[3:]),
    )


def _join(parts: dict[_Ground, list[Run]], cells: Set[str]) -> None:
    """Join the parts that hold runs of one sweep and differ only in what may be swept."""
    related: dict[_Ground, list[_Ground]] = {}
    for ground, runs in parts.items():
        if any(run.facts.config_hash in cells for run in runs):
            fixed = tuple(v for name, v in zip(_GROUND, ground, strict=True) if name not in _SWEPT)
            related.setdefault(fixed, []).append(ground)
    for grounds in related.values():
        values = [
            dict.fromkeys(part for value in column for part in value.split(" or "))
            for column in zip(*grounds, strict=True)
        ]
        joined = tuple(" or ".join(column) for column in values)
        members = [run for ground in grounds for run in parts.pop(ground)]
        parts[joined] = members


def _group(
    ground: _Ground, main: _Ground, runs: Sequence[Run], is_baseline: Any, results: ImageResults
) -> Group:
    recipes = by_recipe(runs)
    keys = varying([members[0].recipe for members in recipes])
    # The best ones first: their predictions are read first.
    recipes.sort(key=lambda members: -fmean(r.metrics["val_accuracy"] for r in members))
    configurations = [_configuration(members, keys, results) for members in recipes]
    best = configurations[0]
    baseline = next(
        (c for c in configurations if is_baseline and is_baseline(c.runs[0].settings)), best
    )
    to_best = [difference_of(best.runs, c.runs, results)[0] for c in configurations[1:]]
    configurations = _against(configurations, baseline, to_best, results)
    noise = _noise(configurations, to_best, runs)
    table = [(c.settings, c.validation) for c in configurations]
    differing = [name for name, a, b in zip(_GROUND, ground, main, strict=True) if a != b]
    return Group(
        title=", ".join(f"{name} {value}" for name, value in zip(_GROUND, ground, strict=True)),
        reason="; ".join(
            f"{name} {ground[_GROUND.index(name)]} instead of {main[_GROUND.index(name)]}"
            for name in differing
        ),
        configurations=configurations,
        baseline=next(c for c in configurations if c.recipe_hash == baseline.recipe_hash),
        settings=keys,
        effects=effects_of(table, keys),
        pairs=pairs_of(table, keys),
        coverage=(len(configurations), _full_grid([r[0].recipe for r in recipes], keys)),
        selection_bias=selection_bias(len(configurations), noise),
        noise=noise,
        seeds=sorted({run.facts.seed for run in runs}),
        lead=_lead(configurations, to_best, results),
    )


def _lead(
    configurations: Sequence[Configuration], to_best: Sequence[Estimate], results: ImageResults
) -> Lead | None:
    """Return the estimate that decides: that of the second best, where there is one."""
    best = configurations[0]
    if not to_best:
        estimate = accuracy_of(best.runs, "validation", results)
        return Lead(None, estimate) if estimate.error else None
    for other, estimate in zip(configurations[1:], to_best, strict=True):
        if estimate.error:
            return Lead(other.recipe_hash, estimate)
    return None


def _full_grid(table: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> int | None:
    if not all(key in settings for settings in table for key in keys):
        return None
    return prod(len({repr(settings[key]) for settings in table}) for key in keys)


def _configuration(
    runs: Sequence[Run], keys: Sequence[str], results: ImageResults
) -> Configuration:
    settings = runs[0].settings
    figures = {}
    for split, key in SPLITS.items():
        members = [run for run in runs if key in run.metrics]
        if members:
            figures[split] = describe(
                [run.metrics[key] for run in members], accuracy_of(members, split, results)
            )
    return Configuration(
        recipe_hash=runs[0].facts.recipe_hash,
        label=format_settings(settings, keys) or "the only configuration",
        settings={key: settings.get(key) for key in keys},
        runs=runs,
        figures=figures,
        versus=None,
        tied=None,
    )


def _against(
    configurations: Sequence[Configuration],
    baseline: Configuration,
    to_best: Sequence[Estimate],
    results: ImageResults,
) -> list[Configuration]:
    """Add differences to the baseline and ties with the best, each corrected over the table."""
    others = [c for c in configurations if c is not baseline]
    differences = [Difference.of(*difference_of(baseline.runs, c.runs, results)) for c in others]
    corrected = holm([d.p for d in differences])
    versus = {
        c.recipe_hash: replace(d, p_holm=p)
        for c, d, p in zip(others, differences, corrected, strict=True)
    }
    tied = {
        c.recipe_hash: None if p is None else p >= 0.05
        for c, p in zip(configurations[1:], holm([e.p for e in to_best]), strict=True)
    }
    return [
        replace(c, versus=versus.get(c.recipe_hash), tied=tied.get(c.recipe_hash))
        for c in configurations
    ]


def _noise(
    configurations: Sequence[Configuration], to_best: Sequence[Estimate], runs: Sequence[Run]
) -> float:
    """Return the SD of the best one's mean, as far as it is not shared by the others.

    From the differences to the best, whose variance is twice that of one mean; where there is one
    seed of each, from the number of images.
    """
    variances = [e.error**2 for e in to_best if e.error is not None]
    if variances:
        return sqrt(fmean(variances) / 2)
    images = image_count(runs, "validation")
    return binomial_sd(configurations[0].validation, images) if images else 0.0


def difference_of_two(runs: Sequence[Run]) -> tuple[Estimate, bool] | None:
    """Return the second configuration minus the first on validation, and whether seeds are paired.

    None where the runs are not of two configurations with the same validation images.
    """
    usable = [r for r in runs if r.facts.status == "finished" and "val_accuracy" in r.metrics]
    recipes = by_recipe(usable)
    if len(recipes) != 2 or len({_common_ground(run)[:2] for run in usable}) != 1:
        return None
    first, second = recipes
    return difference_of(first, second, ImageResults())


def seeds_missing(group: Group) -> list[tuple[str, list[int]]]:
    """Return configurations that lack seeds which others have, most incomplete first."""
    lacking = [
        (c.label, sorted(set(group.seeds) - {run.facts.seed for run in c.runs}))
        for c in group.configurations
    ]
    counted = Counter({i: len(seeds) for i, (_, seeds) in enumerate(lacking)})
    return [lacking[i] for i, number in counted.most_common() if number]
