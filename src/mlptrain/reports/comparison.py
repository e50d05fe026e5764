"""Comparison of runs: which ones are comparable, how they rank, and how uncertain that is.

Everything is chosen and ordered by validation accuracy. Test accuracy stands beside it and is
never used to choose, so that it stays an unbiased estimate.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import prod, sqrt
from typing import Any

from mlptrain.config.settings import format_settings, varying
from mlptrain.reports.statistics import (
    Difference,
    Sample,
    binomial_sd,
    describe,
    difference,
    holm,
    selection_bias,
)
from mlptrain.store.runs import SPLITS, Run, by_recipe

_MOST_VALUES = 12
"""A setting with more values than this gets no table of effects: nobody would read it."""


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
class Effect:
    """What one value of a setting goes with, over everything else that was tried.

    Attributes:
        value: of the setting.
        configurations: how many have it.
        mean: of their mean validation accuracies.
    """

    value: str
    configurations: int
    mean: float


@dataclass(frozen=True)
class TwoFactors:
    """Two settings at once: mean validation accuracy and number of configurations per pair.

    Attributes:
        rows: name of the first setting.
        columns: of the second.
        row_values: in the order in which they were met.
        column_values: likewise.
        cells: (mean, configurations); None where nothing was tried.
    """

    rows: str
    columns: str
    row_values: list[str]
    column_values: list[str]
    cells: list[list[tuple[float, int] | None]]

    @property
    def missing(self) -> int:
        """Pairs that were not tried."""
        return sum(cell is None for row in self.cells for cell in row)


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

    @property
    def best(self) -> Configuration:
        """Highest mean validation accuracy."""
        return self.configurations[0]


def compare(runs: Sequence[Run], is_baseline: Any = None) -> list[Group]:
    """Group, average and order finished runs.

    Args:
        runs: those that are not finished are left out.
        is_baseline: settings → whether a configuration is the one to compare with; None takes
            the best on validation.

    Returns:
        Groups of comparable runs, the one with most runs first.
    """
    usable = [r for r in runs if r.facts.status == "finished" and "val_accuracy" in r.metrics]
    parts: dict[tuple[str, ...], list[Run]] = {}
    for run in usable:
        parts.setdefault(_common_ground(run), []).append(run)
    ordered = sorted(parts.items(), key=lambda part: -len(part[1]))
    return [_group(key, ordered[0][0], members, is_baseline) for key, members in ordered]


_GROUND = ("data", "split", "epochs", "tensorflow", "keras")


def _common_ground(run: Run) -> tuple[str, ...]:
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


def _group(
    ground: tuple[str, ...], main: tuple[str, ...], runs: Sequence[Run], is_baseline: Any
) -> Group:
    recipes = by_recipe(runs)
    firsts = [members[0].settings for members in recipes]
    keys = varying(firsts)
    configurations = [_configuration(members, keys) for members in recipes]
    configurations.sort(key=lambda c: -c.validation)
    best = configurations[0]
    baseline = next(
        (c for c in configurations if is_baseline and is_baseline(c.runs[0].settings)), best
    )
    configurations = _against(configurations, baseline, best)
    noise = _noise(configurations, runs)
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
        effects=_effects(configurations, keys),
        pairs=_pairs(configurations, keys),
        coverage=(len(configurations), _full_grid(firsts, keys)),
        selection_bias=selection_bias(len(configurations), noise),
        noise=noise,
        seeds=sorted({run.facts.seed for run in runs}),
    )


def _full_grid(table: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> int | None:
    if not all(key in settings for settings in table for key in keys):
        return None
    return prod(len({repr(settings[key]) for settings in table}) for key in keys)


def _configuration(runs: Sequence[Run], keys: Sequence[str]) -> Configuration:
    settings = runs[0].settings
    return Configuration(
        recipe_hash=runs[0].facts.recipe_hash,
        label=format_settings(settings, keys) or "the only configuration",
        settings={key: settings.get(key) for key in keys},
        runs=runs,
        figures={
            split: describe([run.metrics[key] for run in runs if key in run.metrics])
            for split, key in SPLITS.items()
            if any(key in run.metrics for run in runs)
        },
        versus=None,
        tied=None,
    )


def _by_seed(configuration: Configuration) -> dict[int, float]:
    return {run.facts.seed: run.metrics["val_accuracy"] for run in configuration.runs}


def _against(
    configurations: Sequence[Configuration], baseline: Configuration, best: Configuration
) -> list[Configuration]:
    """Add differences to the baseline and ties with the best, each corrected over the table."""
    others = [c for c in configurations if c is not baseline]
    differences = [difference(_by_seed(baseline), _by_seed(c)) for c in others]
    corrected = holm([d.p for d in differences])
    versus = {
        c.recipe_hash: replace(d, p_holm=p)
        for c, d, p in zip(others, differences, corrected, strict=True)
    }
    behind = [c for c in configurations if c is not best]
    to_best = holm([difference(_by_seed(best), _by_seed(c)).p for c in behind])
    tied = {
        c.recipe_hash: None if p is None else p >= 0.05
        for c, p in zip(behind, to_best, strict=True)
    }
    return [
        replace(c, versus=versus.get(c.recipe_hash), tied=tied.get(c.recipe_hash))
        for c in configurations
    ]


def _noise(configurations: Sequence[Configuration], runs: Sequence[Run]) -> float:
    """Return the SD of the best one's mean, from seeds or else from the number of images.

    Pooled over configurations, √(Σ(nᵢ - 1)SDᵢ² / Σ(nᵢ - 1)), divided by √n of the best.
    """
    repeated = [c.figures["validation"] for c in configurations if len(c.runs) > 1]
    if repeated:
        freedom = sum(sample.n - 1 for sample in repeated)
        pooled = sqrt(sum((s.n - 1) * (s.sd or 0.0) ** 2 for s in repeated) / freedom)
        return pooled / sqrt(len(configurations[0].runs))
    sizes = (runs[0].facts.data or {}).get("sizes")
    images = sizes.get("validation") if isinstance(sizes, dict) else None
    if not isinstance(images, int) or not 0 < images < 1e12:
        return 0.0
    return binomial_sd(configurations[0].validation, images)


def _effects(
    configurations: Sequence[Configuration], keys: Sequence[str]
) -> dict[str, list[Effect]]:
    effects = {}
    for key in keys:
        by_value: dict[str, list[float]] = {}
        for c in configurations:
            by_value.setdefault(str(c.settings[key]), []).append(c.validation)
        if len(by_value) <= _MOST_VALUES:
            effects[key] = sorted(
                (Effect(v, len(means), statistics.fmean(means)) for v, means in by_value.items()),
                key=lambda effect: -effect.mean,
            )
    return effects


def _pairs(configurations: Sequence[Configuration], keys: Sequence[str]) -> list[TwoFactors]:
    """Return tables of the settings with fewest values, at most six of them."""
    number = {key: len({str(c.settings[key]) for c in configurations}) for key in keys}
    readable = [key for key in keys if number[key] <= _MOST_VALUES]
    chosen = sorted(combinations(readable, 2), key=lambda pair: number[pair[0]] * number[pair[1]])
    return [_two_factors(configurations, *pair) for pair in chosen[:6]]


def _two_factors(configurations: Sequence[Configuration], rows: str, columns: str) -> TwoFactors:
    means: dict[tuple[str, str], list[float]] = {}
    for c in configurations:
        means.setdefault((str(c.settings[rows]), str(c.settings[columns])), []).append(c.validation)
    row_values = list(dict.fromkeys(row for row, _ in means))
    column_values = list(dict.fromkeys(column for _, column in means))
    cells = [
        [
            (statistics.fmean(means[row, column]), len(means[row, column]))
            if (row, column) in means
            else None
            for column in column_values
        ]
        for row in row_values
    ]
    return TwoFactors(rows, columns, row_values, column_values, cells)


def seeds_missing(group: Group) -> list[tuple[str, list[int]]]:
    """Return configurations that lack seeds which others have, most incomplete first."""
    lacking = [
        (c.label, sorted(set(group.seeds) - {run.facts.seed for run in c.runs}))
        for c in group.configurations
    ]
    counted = Counter({i: len(seeds) for i, (_, seeds) in enumerate(lacking)})
    return [lacking[i] for i, number in counted.most_common() if number]
