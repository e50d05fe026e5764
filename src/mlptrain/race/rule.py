"""Who is dropped from a race, and when it ends: pure functions of the scores.

Every racing configuration has the same seeds, so two of them are compared by the mean of their
differences seed by seed, with a t-test. Four things make it hold in a race:

- **Few seeds.** With two or three seeds a t-test has huge quantiles. The variance of a pair is
  moderated: it is averaged with the variance pooled over all configurations, which counts like
  `_PRIOR_FREEDOM` more seeds (Smyth 2004, Linear models and empirical Bayes methods for assessing
  differential expression). It is not replaced by the pooled one, because some configurations
  spread ten times as much as others.
- **Repeated looks.** The error rate of 5 % is spent over the rounds (Lan and DeMets 1983, Discrete
  sequential boundaries for clinical trials): round n gets the share `_share(n)`, all shares
  together are 1 however long the race lasts, and the union bound needs nothing about how the
  looks depend on each other. So more seeds can be requested later.
- **Many pairs.** The share is divided by the number of tests, two for each pair still in the race
  (Bonferroni); pairs that are decided free their share for the others, as in Holm (1979).
- **The same images.** More seeds do not make the validation set larger: the variance that comes
  from its images is added to that of each difference and does not shrink.

The test of a tie is two one-sided t-tests (Schuirmann 1987) with a budget of 5 % of its own; as
all pairs must pass, they need no correction (Berger 1982). A race also ends early when the chance
that the seeds left decide anything is below `_FUTILE`: the predictive probability of Spiegelhalter,
Freedman and Blackburn (1986), which cannot add a false decision. benchmarks/race.py checks the
error rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import special

FIRST_SEEDS = 2
"""Seeds before the first look: one has no spread."""

_ALPHA = 0.05
_PRIOR_FREEDOM = 4
"""How many seeds the pooled variance counts for. Its own precision limits it further."""
_HALFWAY = 3
"""How slowly the error rate is spent: a sixth of it at 2 seeds, half of it at 6."""
_FUTILE = 0.1
_BEFORE_FUTILITY = 3
_MOST_NEEDED = 1_000

Outcome = Literal["best", "tied", "not decided"]


@dataclass(frozen=True)
class Drop:
    """A configuration that is significantly worse than another one.

    Attributes:
        configuration: its row in the scores.
        better: row of the configuration that it is worse than.
        difference: how much worse, a mean over the seeds.
        low: lower end of the difference's interval, above 0.
    """

    configuration: int
    better: int
    difference: float
    low: float


@dataclass(frozen=True)
class Judgment:
    """What the scores say after a round.

    Attributes:
        drops: configurations that leave the race.
        racing: rows of the others, highest mean first.
        outcome: None while the race goes on.
        lead: the most by which any of the others may be better than the first; None when it is
            alone.
        seeds_needed: estimate of the seeds that would decide the race if it is not; None where none
            of up to 1,000 would, mostly because of the images.
    """

    drops: list[Drop]
    racing: list[int]
    outcome: Outcome | None
    lead: float | None = None
    seeds_needed: int | None = None

    def renumbered(self, rows: Sequence[int]) -> Judgment:
        """Return the same where row i of the scores is called `rows[i]`."""
        drops = [
            replace(d, configuration=rows[d.configuration], better=rows[d.better])
            for d in self.drops
        ]
        return replace(self, drops=drops, racing=[rows[row] for row in self.racing])


def judge(
    scores: np.ndarray, margin: float, max_seeds: int, image_variance: np.ndarray | float = 0.0
) -> Judgment:
    """Decide who leaves the race, and whether it is over.

    Args:
        scores: float (configurations, seeds), in the order in which they were trained; NaN where
            a configuration was dropped before. Rows without NaN are racing.
        margin: difference that does not matter, in the unit of the scores.
        max_seeds: the race ends when the scores have as many columns.
        image_variance: of each pair's difference, from the choice of images; float
            (configurations, configurations) or one figure for all.
    """
    seeds = scores.shape[1]
    rows = np.flatnonzero(~np.isnan(scores).any(axis=1))
    pairs = _Pairs.of(scores, rows, image_variance)
    worse = pairs.mean > pairs.quantile(seeds, len(rows)) * pairs.error(seeds)
    drops = []
    for column in np.flatnonzero(worse.any(axis=0)):
        low = (pairs.mean - pairs.quantile(seeds, len(rows)) * pairs.error(seeds))[:, column]
        better = int(np.argmax(low))
        drops.append(
            Drop(int(rows[column]), int(rows[better]), float(pairs.mean[better, column]),
                 float(low[better]))
        )  # fmt: skip
    places = np.flatnonzero(~worse.any(axis=0))
    places = places[np.argsort(-scores[rows[places]].mean(axis=1), kind="stable")]
    racing = [int(rows[place]) for place in places]
    if len(places) == 1:
        return Judgment(drops, racing, "best")
    pairs = pairs.only(places)
    within = np.abs(pairs.mean) + pairs.quantile(seeds) * pairs.error(seeds) <= margin
    np.fill_diagonal(within, val=True)
    lead = float((pairs.quantile(seeds) * pairs.error(seeds) - pairs.mean)[0, 1:].max())
    if within.all():
        return Judgment(drops, racing, "tied", lead)
    is_over = seeds >= max_seeds or (
        seeds >= _BEFORE_FUTILITY and pairs.chance(seeds, max_seeds, margin) < _FUTILE
    )
    needed = pairs.seeds_needed(seeds, margin)
    return Judgment(drops, racing, "not decided" if is_over else None, lead, needed)


def _share(seeds: np.ndarray | int) -> np.ndarray | float:
    """Return the part of the error rate that a look may spend; from 2 seeds on they sum to 1."""
    return (FIRST_SEEDS + _HALFWAY) / ((seeds + _HALFWAY) * (seeds + _HALFWAY + 1.0))


@dataclass(frozen=True)
class _Pairs:
    """All pairs of racing configurations: [a, b] is a minus b.

    Attributes:
        mean: of the differences over the seeds.
        variance: of one seed's difference, moderated.
        images: variance of the mean that more seeds do not reduce.
        prior: degrees of freedom that the pooled variance adds to the pair's own.
    """

    mean: np.ndarray
    variance: np.ndarray
    images: np.ndarray
    prior: float

    @classmethod
    def of(cls, scores: np.ndarray, rows: np.ndarray, image_variance: np.ndarray | float) -> _Pairs:
        seeds = scores.shape[1]
        # Residuals of configurations + seeds: what a seed does to all of them is taken out.
        residuals = scores - np.nanmean(scores, axis=1, keepdims=True)
        residuals -= np.nanmean(residuals, axis=0)
        residuals -= np.nanmean(residuals, axis=1, keepdims=True)
        freedom = np.count_nonzero(~np.isnan(scores)) - len(scores) - (seeds - 1)
        pooled = 2 * np.nansum(residuals**2) / freedom
        prior = float(np.clip(freedom - (seeds - 1), 0, _PRIOR_FREEDOM))
        racing = scores[rows]
        differences = racing[:, None, :] - racing[None, :, :]
        of_pairs = differences.var(axis=2, ddof=1)
        variance = (prior * pooled + (seeds - 1) * of_pairs) / (prior + seeds - 1)
        images = np.broadcast_to(image_variance, (len(scores), len(scores)))[np.ix_(rows, rows)]
        return cls(differences.mean(axis=2), variance, images, prior)

    def only(self, places: np.ndarray) -> _Pairs:
        part = np.ix_(places, places)
        return _Pairs(self.mean[part], self.variance[part], self.images[part], self.prior)

    def error(self, seeds: int) -> np.ndarray:
        """Return the standard error of each mean with so many seeds."""
        error = np.sqrt(self.variance / seeds + self.images)
        np.fill_diagonal(error, np.inf)  # nothing is worse than itself
        return error

    def quantile(self, seeds: np.ndarray | int, racing: int | None = None) -> np.ndarray | float:
        """Return the t quantile of a look: of the drops among so many, or of a tie."""
        tests = 1 if racing is None else racing * (racing - 1)
        return -special.stdtrit(self.prior + seeds - 1, _ALPHA * _share(seeds) / tests)

    def _later(self, seeds: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return, for the first configuration against each other one at these numbers of seeds:
        mean, variance, and the differences needed to drop and allowed to tie.
        """
        mean, variance = self.mean[0, 1:, None], self.variance[0, 1:, None]
        error = np.sqrt(variance / seeds + self.images[0, 1:, None])
        to_drop = self.quantile(seeds, len(self.mean)) * error
        return mean, variance, to_drop, self.quantile(seeds) * error

    def chance(self, seeds: int, max_seeds: int, margin: float) -> float:
        """Return the predictive probability that a pair is decided by the seeds that are left."""
        mean, variance, to_drop, beside = self._later(np.arange(seeds + 1, max_seeds + 1))
        spread = np.sqrt(variance * (1 / seeds - 1 / np.arange(seeds + 1, max_seeds + 1)))
        spread = np.maximum(spread, np.finfo(float).tiny)
        drops = special.ndtr((mean - to_drop) / spread).max(axis=1)
        room = np.maximum(margin - beside, 0)
        ties = special.ndtr((room - mean) / spread) - special.ndtr((-room - mean) / spread)
        return float(max(drops.max(), ties.max(axis=1).min()))

    def seeds_needed(self, seeds: int, margin: float) -> int | None:
        """Return with how many seeds all pairs would be decided if nothing else changed."""
        numbers = np.unique(np.geomspace(seeds + 1, _MOST_NEEDED, 80).round())
        mean, _, to_drop, beside = self._later(numbers)
        decided = ((mean > to_drop) | (np.abs(mean) + beside <= margin)).all(axis=0)
        return int(numbers[np.argmax(decided)]) if decided.any() else None
