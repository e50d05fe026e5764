"""How far an accuracy, or a difference of two, would move with new seeds *and* new images.

A run's result on an image is 1 (right) or 0 (wrong). All runs are judged on the same images, so
that results vary with the seed and with the image: two crossed random effects (Bouthillier et al.
2021, Accounting for variance in machine learning benchmarks). With S seeds and I images the
variance of the grand mean is

    σ²(seeds)/S + σ²(images)/I + σ²(rest)/(S·I).

The spread of the seeds' means, divided by S, estimates the first and the last term together. The
second needs results per image; where they are missing, the binomial variance is an upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import special  # not scipy.stats, whose import takes three times as long

CONFIDENCE = 0.95

ImageError = Literal["predictions", "bound", "splits", "none"]
"""Where the part of the images comes from: results per image, the binomial bound, the spread over
splits, or nowhere."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and images, and how uncertain it is.

    Attributes:
        mean: of the seeds' means: an accuracy or a difference of two, as a fraction.
        seeds: number of seeds; of two groups without shared seeds, the smaller number.
        images: number of images; None where it is not known.
        from_seeds: variance of the mean that more seeds would shrink; None for one seed.
        from_images: variance of the mean that more images would shrink, whatever the seeds; of one
            seed all that images do.
        seed_freedom: degrees of freedom of `from_seeds`.
        image_error: where `from_images` comes from.
        split_share: share of one run's variance that comes from the split, where there are several;
            the rest comes from the seed.
    """

    mean: float
    seeds: int
    images: int | None
    from_seeds: float | None
    from_images: float
    seed_freedom: float
    image_error: ImageError
    split_share: float | None = None

    @property
    def error(self) -> float | None:
        """Standard error for new seeds and new images; None for one seed."""
        return None if self.from_seeds is None else math.sqrt(self.from_seeds + self.from_images)

    @property
    def seed_share(self) -> float | None:
        """Share of the variance that comes from the seeds, 0 to 1; None where it is unknown."""
        if self.from_seeds is None or not self.error or self.image_error == "splits":
            return None
        return self.from_seeds / (self.from_seeds + self.from_images)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of Student's t for the sum of both parts.

        The images' part is known almost exactly and the seeds' part with few degrees of freedom:
        the problem of Behrens and Fisher. Satterthwaite's formula, r / share², covers too little
        for two or three seeds, because a seeds' part that is small by chance also looks certain.
        The two constants below were fitted so that coverage stays between 93.6 and 97.1 % for
        two seeds and between 94.8 and 96 % for more, whatever the true share.
        """
        r = self.seed_freedom
        if not self.from_seeds or self.from_images > 1e9 * self.from_seeds:
            return math.inf
        weight, power = (0.25, 1.25) if r < 2 else (0.75, 1.5)
        return float(r * (1 + weight * (self.from_images / self.from_seeds) ** power))

    @property
    def p(self) -> float | None:
        """Two-sided p of the hypothesis that the true mean is 0; None where it is unknown."""
        if self.error is None:
            return None
        if self.error == 0:
            return 1.0 if self.mean == 0 else None
        return 2 * _lower_tail(self.freedom, -abs(self.mean) / self.error)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the interval of a difference, mean ± t · error, within -1 and 1.

        None for one seed, and where nothing varied.
        """
        return self._around(self.error, self.freedom, confidence)

    def image_interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the interval of a difference for new images and the same seeds."""
        return self._around(math.sqrt(self.from_images), math.inf, confidence)

    def _around(
        self, error: float | None, freedom: float, confidence: float
    ) -> tuple[float, float] | None:
        if not error:
            return None
        half = _quantile(freedom, confidence) * error
        return max(-1.0, self.mean - half), min(1.0, self.mean + half)

    def proportion_interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the interval of an accuracy, within 0 and 1; None for one seed.

        Wilson's score interval (Wilson 1927) with t for z, and the number of independent images
        that would have the same error, p(1 - p) / error², for n.
        """
        if self.error is None:
            return None
        n = float(self.images or 0)
        if self.error and 0 < self.mean < 1:
            n = self.mean * (1 - self.mean) / self.error**2
        return wilson(self.mean, n, _quantile(self.freedom, confidence)) if n else None

    def with_more(self, seeds: float = 1, images: float = 1) -> Estimate:
        """Return the estimate to expect with so many times the seeds or images."""
        more = (self.seed_freedom + 1) * seeds - 1
        # The rest, σ²(rest)/(S·I), shrinks with images too, but cannot be separated from the
        # seeds' part without results per image: it is left there.
        return replace(
            self,
            seeds=round(self.seeds * seeds),
            images=None if self.images is None else round(self.images * images),
            from_seeds=None if self.from_seeds is None else self.from_seeds / seeds,
            from_images=self.from_images / images,
            seed_freedom=more,
        )

    @property
    def half_width(self) -> float | None:
        """Half of the 95 % interval before it is cut at its limits; None for one seed."""
        return None if self.error is None else _quantile(self.freedom, CONFIDENCE) * self.error


def accuracy(
    means: Sequence[float], results: np.ndarray | None = None, images: int | None = None
) -> Estimate:
    """Estimate the accuracy of a configuration for new seeds and new images.

    Args:
        means: the accuracy of each seed's run.
        results: bool (seeds, images), whether each run is right; None where it is not known.
        images: number of images, for the binomial bound where `results` is None; None leaves
            the images out.
    """
    values = np.asarray(means, float)
    mean = float(values.mean())
    if results is not None:
        return _estimate(values, image_variance(results), results.shape[1], "predictions")
    return _estimate(values, mean * (1 - mean), images, "bound" if images else "none")


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    results: tuple[np.ndarray, np.ndarray] | None = None,
    images: int | None = None,
) -> Estimate:
    """Estimate how much better the second configuration is, from runs with the same seeds.

    A seed's and an image's influence on both configurations cancels. This is what to test with
    `.p` and `.interval()`; both hold for new seeds and new images.

    Args:
        first: the accuracy of each seed's run of the first configuration.
        second: likewise, in the same order of seeds.
        results: bool (seeds, images) of both, on the same images; None where they are not known.
        images: number of images, for the binomial bound where `results` is None.
    """
    values = np.asarray(second, float) - np.asarray(first, float)
    if results is not None:
        difference = results[1].astype(np.int8) - results[0].astype(np.int8)
        return _estimate(values, image_variance(difference), difference.shape[1], "predictions")
    return _estimate(values, _binomial(first, second), images, "bound" if images else "none")


def unpaired_difference(
    first: Sequence[float],
    second: Sequence[float],
    results: tuple[np.ndarray, np.ndarray] | None = None,
    images: int | None = None,
) -> Estimate:
    """Estimate the same from runs with other seeds in each configuration (Welch 1947).

    Arguments as in `paired_difference`; the numbers of seeds may differ.
    """
    groups = np.asarray(first, float), np.asarray(second, float)
    mean = float(groups[1].mean() - groups[0].mean())
    number = min(map(len, groups))
    from_seeds, freedom = None, 0.0
    if number > 1:
        parts = [_variance(values) / len(values) for values in groups]
        from_seeds, freedom = sum(parts), number - 1.0
        if from_seeds:
            freedom = from_seeds**2 / sum(
                v**2 / (len(g) - 1) for v, g in zip(parts, groups, strict=True)
            )
    variance = _binomial(first, second)
    image_error: ImageError = "bound" if images else "none"
    if results is not None:
        columns = [r.mean(axis=0, dtype=np.float64) for r in results]
        shared = float(np.cov(columns[0], columns[1])[0, 1])
        variance = max(0.0, sum(map(image_variance, results)) - 2 * shared)
        images, image_error = results[0].shape[1], "predictions"
    from_images = variance / images if images else 0.0
    return Estimate(mean, number, images, from_seeds, from_images, freedom, image_error)


def over_splits(
    estimate: Estimate, values: Mapping[tuple[int, int], float], overlap: float, is_drawn: bool
) -> Estimate:
    """Return the estimate with the uncertainty of several splits.

    Training sets of different splits overlap, so that their results are not independent: the
    variance of the mean is that of the splits' means times 1/K + overlap instead of 1/K (Nadeau and
    Bengio 2003, Inference for the generalization error).

    Args:
        estimate: of the same values as if they were of one split.
        values: split and seed → accuracy, or difference of two; of two splits or more.
        overlap: held-out images over training images.
        is_drawn: whether each split has its own images, so that their spread holds the error from
            the images; else they are judged on the same ones, as on test.
    """
    by_split: dict[int, list[float]] = {}
    for (split, _), value in values.items():
        by_split.setdefault(split, []).append(value)
    means = np.array([np.mean(group) for group in by_split.values()])
    repeated = [np.var(group, ddof=1) for group in by_split.values() if len(group) > 1]
    share = None
    if repeated:
        of_seeds = float(np.mean(repeated))
        of_splits = max(0.0, _variance(means) - of_seeds * len(means) / len(values))
        share = of_splits / (of_seeds + of_splits) if of_seeds + of_splits else None
    return replace(
        estimate,
        images=None if is_drawn else estimate.images,
        from_seeds=_variance(means) * (1 / len(means) + overlap),
        from_images=0.0 if is_drawn else estimate.from_images,
        seed_freedom=len(means) - 1.0,
        image_error="splits" if is_drawn else estimate.image_error,
        split_share=share,
    )


def image_variance(results: np.ndarray) -> float:
    """Return the variance over images of what all seeds have in common, σ²(images).

    The mean covariance of two seeds' results: the estimator of the two-way analysis of variance
    without replication, (MS(images) - MS(rest)) / S, not below 0.

    Args:
        results: (seeds, images), at least two images. For one seed the rest is included.
    """
    seeds = len(results)
    of_means = results.mean(axis=0, dtype=np.float64).var(ddof=1)
    if seeds == 1:
        return float(of_means)
    within = results.var(axis=1, ddof=1, dtype=np.float64).mean()
    return max(0.0, float(seeds * of_means - within) / (seeds - 1))


def wilson(proportion: float, n: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (Wilson 1927), within 0 and 1.

    Unlike p ± z √(p(1 - p) / n) it has a width at 0 and 1.
    """
    spread = quantile**2 / n
    center = (proportion + spread / 2) / (1 + spread)
    half = quantile / (1 + spread) * math.sqrt(proportion * (1 - proportion) / n + spread / n / 4)
    return max(0.0, center - half), min(1.0, center + half)


def _variance(values: np.ndarray) -> float:
    """Return the variance with n - 1; of accuracies, which are counts, 1e-12 is rounding."""
    return float(values.var(ddof=1)) if np.ptp(values) > 1e-12 else 0.0


def _estimate(
    values: np.ndarray, variance: float, images: int | None, image_error: ImageError
) -> Estimate:
    seeds = len(values)
    return Estimate(
        mean=float(values.mean()),
        seeds=seeds,
        images=images,
        from_seeds=_variance(values) / seeds if seeds > 1 else None,
        from_images=variance / images if images else 0.0,
        seed_freedom=seeds - 1.0,
        image_error=image_error if images else "none",
    )


def _binomial(first: Sequence[float], second: Sequence[float]) -> float:
    """Return an upper bound of the images' variance of a difference.

    Two nets tend to get the same images right; this is what it would be if they did not.
    """
    return sum(p * (1 - p) for p in (float(np.mean(first)), float(np.mean(second))))


def _quantile(freedom: float, confidence: float) -> float:
    upper = (1 + confidence) / 2
    return float(special.ndtri(upper) if freedom > 1e6 else special.stdtrit(freedom, upper))


def _lower_tail(freedom: float, x: float) -> float:
    return float(special.ndtr(x) if freedom > 1e6 else special.stdtr(freedom, x))
