"""How many seeds a plain sweep needs to resolve a difference, from the spread of known runs."""

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import special

from mlptrain.store.runs import Run, by_recipe

_ALPHA, _POWER = 0.05, 0.8
_MOST = 10_000


@dataclass(frozen=True)
class Spread:
    """How far runs differ by their seed alone.

    Attributes:
        sd: standard deviation of validation accuracy between seeds, pooled over configurations.
        configurations: how many it comes from.
        is_of_these: whether they are those that were requested.
    """

    sd: float
    configurations: int
    is_of_these: bool


def known_spread(runs: Sequence[Run], recipes: Collection[str], data: str) -> Spread | None:
    """Return the spread of finished runs; None where no two differ by the seed alone.

    Args:
        runs: runs that may be known.
        recipes: hashes of the configurations; their own spread counts if there is one.
        data: name of the data set; otherwise that of all configurations on it.
    """
    usable = [r for r in runs if "val_accuracy" in r.metrics and r.settings.get("data") == data]
    groups = [group for group in by_recipe(usable) if len(group) > 1]
    of_these = [group for group in groups if group[0].facts.recipe_hash in recipes]
    chosen = of_these or groups
    if not chosen:
        return None
    values = [[run.metrics["val_accuracy"] for run in group] for group in chosen]
    freedom = sum(len(v) - 1 for v in values)
    pooled = sum((len(v) - 1) * statistics.variance(v) for v in values) / freedom
    return Spread(sqrt(pooled), len(chosen), bool(of_these))


def seeds_to_resolve(sd: float, margin: float, configurations: int) -> int | None:
    """Return the seeds with which a difference of the margin is found 4 times in 5.

    By paired t-tests against one of the configurations at 5 %, corrected by Bonferroni:
    n ≥ (t(1 - 0.05/2m) + t(power))² · 2 SD² / margin² with n - 1 degrees of freedom (Cohen 1988,
    Statistical power analysis, chapter 2). Images are not counted. None for more than 10,000.
    """
    n = np.arange(2, _MOST + 1)
    level = _ALPHA / (2 * max(1, configurations - 1))
    reach = special.stdtrit(n - 1, 1 - level) + special.stdtrit(n - 1, _POWER)
    enough = np.sqrt(2 / n) * sd * reach <= margin
    return int(n[np.argmax(enough)]) if enough.any() else None
