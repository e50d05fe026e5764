"""The statistics of comparisons.

Choices are made on validation accuracy, never on test accuracy.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special  # not scipy.stats, whose import takes three times as long

CONFIDENCE = 0.95
_Z = 1.959964
"""The standard normal distribution's quantile at 0.975."""
_SAME = 1e-12
"""Accuracies are counts over images: smaller differences are rounding."""


@dataclass(frozen=True)
class Sample:
    """Values of one configuration over its seeds.

    Attributes:
        n: how many.
        mean: arithmetic mean.
        sd: the sample's standard deviation, with n - 1; None for one value.
        low: lower end of the 95 % interval of the mean; None for one value.
        high: upper end.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


def describe(values: Sequence[float]) -> Sample:
    """Return mean, SD and Student's t interval: mean ± t(0.975, n - 1) · SD / √n (Student 1908)."""
    mean = statistics.fmean(values)
    n = len(values)
    if n < 2:
        return Sample(n, mean, None, None, None)
    sd = statistics.stdev(values)
    half = _t(n - 1) * sd / math.sqrt(n)
    return Sample(n, mean, sd, mean - half, mean + half)


def accuracy_interval(accuracy: float, images: int) -> tuple[float, float]:
    """Return the 95 % interval of a model's accuracy, measured on that many images.

    Wilson's score interval (Wilson 1927): unlike p ± z √(p(1 - p) / n) it has a width at 0 and 1,
    and stays between them.
    """
    spread = _Z**2 / images
    center = (accuracy + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(accuracy * (1 - accuracy) / images + spread / images / 4)
    return max(0.0, center - half), min(1.0, center + half)


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
    return _t(len(values) - 1) * statistics.stdev(values) * math.sqrt(1 + 1 / len(values))


@dataclass(frozen=True)
class Difference:
    """Another configuration minus the baseline.

    Attributes:
        n: pairs of runs with the same seed, or the smaller group's size.
        paired: whether seeds were paired; else it is Welch's comparison of two groups.
        mean: of the differences.
        low: lower end of its 95 % interval; None where it cannot be computed.
        high: upper end.
        p: two-sided; None where it cannot be computed.
        p_holm: the same, corrected for all comparisons of the table; see `holm`.
    """

    n: int
    paired: bool
    mean: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None = None


def difference(baseline: Mapping[int, float], other: Mapping[int, float]) -> Difference:
    """Compare two configurations by seed.

    With two or more seeds in common: the paired t-test (Student 1908), which takes out what a
    seed does to both. With fewer: Welch's t-test (Welch 1947) if both have two runs.

    Args:
        baseline: seed → figure.
        other: seed → figure.
    """
    common = sorted(baseline.keys() & other.keys())
    paired = len(common) >= 2
    if paired:
        differences = np.array([other[seed] - baseline[seed] for seed in common])
        number, mean, error = len(common), float(differences.mean()), _standard_error(differences)
        freedom = number - 1.0
        if np.ptp(differences) < _SAME:  # no spread: the test would divide by zero
            return Difference(number, paired, mean, None, None, 1.0 if mean == 0 else None)
    else:
        first, second = np.array(list(baseline.values())), np.array(list(other.values()))
        number, mean = min(len(first), len(second)), float(second.mean() - first.mean())
        if number < 2 or max(np.ptp(first), np.ptp(second)) < _SAME:
            return Difference(number, paired, mean, None, None, None)
        errors = _standard_error(first), _standard_error(second)
        error = math.hypot(*errors)
        freedom = error**4 / sum(
            e**4 / (len(values) - 1) for e, values in zip(errors, (first, second), strict=True)
        )
    half = _t(freedom) * error
    p = 2 * float(special.stdtr(freedom, -abs(mean) / error))
    return Difference(number, paired, mean, mean - half, mean + half, p)


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))


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


def mcnemar(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """Return McNemar's exact test of two classifiers on the same images (McNemar 1947).

    Of the images that only one of them gets right, each is as likely to be the first's as the
    second's if the two are equally good: a binomial test with 1/2.

    Args:
        labels: true classes, int (n,).
        first: classes predicted by one model, int (n,).
        second: by the other, int (n,).

    Returns:
        How many images only the first gets right, how many only the second, and the two-sided p.
    """
    right, other = first == labels, second == labels
    only_first = int(np.count_nonzero(right & ~other))
    only_second = int(np.count_nonzero(~right & other))
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


def _t(freedom: float) -> float:
    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))
