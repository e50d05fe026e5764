"""The statistics of comparisons.

Choices are made on validation accuracy, never on test accuracy.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import special  # not scipy.stats, whose import takes three times as long

from mlptrain.uncertainty import (
    Estimate,
    ImageError,
    paired_difference,
    unpaired_difference,
    wilson,
)

_Z = 1.959964
"""The standard normal distribution's quantile at 0.975."""


Key = TypeVar("Key", int, tuple[int, int])
"""A seed, or a split and a seed."""


@dataclass(frozen=True)
class Sample:
    """Accuracies of one configuration over its seeds.

    Attributes:
        n: how many.
        mean: arithmetic mean.
        sd: the sample's standard deviation, with n - 1; None for one value.
        low: lower end of the 95 % interval of the mean; None for one value.
        high: upper end.
        seed_share: share of the mean's variance that comes from the seeds; the rest is that of the
            images. None where it is not known.
        image_error: where the images' part comes from: `predictions`, `bound` or `none`.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None
    seed_share: float | None = None
    image_error: ImageError = "none"


def describe(values: Sequence[float], estimate: Estimate) -> Sample:
    """Return the seeds' accuracies with the interval for new seeds and new images."""
    low, high = estimate.proportion_interval() or (None, None)
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Sample(
        len(values), estimate.mean, sd, low, high, estimate.seed_share, estimate.image_error
    )


def accuracy_interval(accuracy: float, images: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a model's accuracy, measured on that many images."""
    return wilson(accuracy, images, _Z)


def binomial_sd(accuracy: float, images: int) -> float:
    """Return the standard error of an accuracy on that many images, from its 95 % interval.

    0.5 points for 58 % on 10,000 images.
    """
    low, high = accuracy_interval(accuracy, images)
    return (high - low) / (2 * _Z)


def prediction_half_width(values: Sequence[float]) -> float | None:
    """Return half of the 95 % interval for one more run: t(0.975, n - 1) · SD · √(1 + 1/n).

    A single run elsewhere, such as the study's, agrees with these values when it lies within.
    None for fewer than two values.
    """
    if len(values) < 2:
        return None
    quantile = special.stdtrit(len(values) - 1, 0.975)
    return float(quantile * statistics.stdev(values) * math.sqrt(1 + 1 / len(values)))


@dataclass(frozen=True)
class Difference:
    """Another configuration minus the baseline.

    Attributes:
        n: pairs of runs with the same seed, or the smaller group's size.
        paired: whether seeds were paired; else it is a comparison of two groups.
        mean: of the differences.
        low: lower end of its 95 % interval; None where it cannot be computed.
        high: upper end.
        p: two-sided; None where it cannot be computed.
        seed_share: share of its variance that comes from the seeds; the rest is the images'.
        image_error: where the images' part comes from: `predictions`, `bound` or `none`.
        p_holm: p, corrected for all comparisons of the table; see `holm`.
    """

    n: int
    paired: bool
    mean: float
    low: float | None
    high: float | None
    p: float | None
    seed_share: float | None = None
    image_error: ImageError = "none"
    p_holm: float | None = None

    @classmethod
    def of(cls, estimate: Estimate, paired: bool) -> Difference:
        """Return an estimate as it is shown."""
        low, high = estimate.interval() or (None, None)
        share, image_error = estimate.seed_share, estimate.image_error
        return cls(estimate.seeds, paired, estimate.mean, low, high, estimate.p, share, image_error)


def difference(
    baseline: Mapping[Key, float],
    other: Mapping[Key, float],
    results: Callable[[Sequence[Key], Sequence[Key]], np.ndarray | None] = lambda *_: None,
    images: int | None = None,
) -> tuple[Estimate, bool]:
    """Compare two configurations by seed.

    With two or more seeds in common they are paired, which takes out what a seed does to both.
    With fewer they are two groups.

    Args:
        baseline: seed → accuracy.
        other: seed → accuracy.
        results: seeds of both → bool (seeds of both, images), whether the runs are right; None
            where that is not known.
        images: number of images.

    Returns:
        Other minus baseline, and whether seeds were paired.
    """
    common = sorted(baseline.keys() & other.keys())
    is_paired = len(common) >= 2 or len(baseline) == len(other) == len(common)
    first, second = (common, common) if is_paired else (sorted(baseline), sorted(other))
    known = results(first, second)
    estimate = (paired_difference if is_paired else unpaired_difference)(
        [baseline[seed] for seed in first],
        [other[seed] for seed in second],
        None if known is None else (known[: len(first)], known[len(first) :]),
        images,
    )
    return estimate, is_paired


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Apply Holm's correction (Holm 1979): the smallest of m is multiplied by m, the next by
    m - 1, …, never decreasing, at most 1. None stays None and is not counted.
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        corrected[index] = highest
    return corrected


def mcnemar(first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """Return McNemar's exact test of two classifiers on the same images (McNemar 1947).

    Of the images that only one of them gets right, each is as likely to be the first's as the
    second's if the two are equally good: a binomial test with 1/2.

    Args:
        first: bool (n,), which images one model gets right.
        second: likewise, of the other.

    Returns:
        How many images only the first gets right, how many only the second, and the two-sided p.
    """
    only_first = int(np.count_nonzero(first & ~second))
    only_second = int(np.count_nonzero(~first & second))
    # The distribution is symmetric, so the two-sided p is twice the smaller tail.
    tail = special.bdtr(min(only_first, only_second), only_first + only_second, 0.5)
    return only_first, only_second, min(1.0, 2 * float(tail))


def selection_bias(candidates: int, sd: float) -> float:
    """Return by how much the best of k equally good candidates is expected to look too good.

    The expectation of the largest of k standard normal values (David and Nagaraja 2003, Order
    Statistics) times the SD of one candidate's figure.

    Args:
        candidates: how many configurations the winner was chosen from.
        sd: of one configuration's mean figure, noise alone.
    """
    x, step = np.linspace(-10, 10, 4_001, retstep=True)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return sd * float(np.sum(x * candidates * density * special.ndtr(x) ** (candidates - 1)) * step)
