"""Which learning rate a range test suggests, and why. Pure functions over rates and losses."""

from dataclasses import dataclass

import numpy as np

DESCENT = (0.3, 0.8)
"""Shares of the way down between which the suggested rate is the middle. The steepest point of a
noisy curve varies tenfold between seeds; this middle, by a sixth. How good it is was measured on
the study's net and full CIFAR-10: docs/howto/learning_rate.md."""

TOO_LARGE = 1.6
"""Where the first loss is at least this multiple of that of guessing, as without batch norm, most
of the descent shows that the outputs shrink, for which low rates are enough: then the suggestion is
the end of `DESCENT`. The study's net has 1.4 with batch norm and 1.9 without."""

_DECADES = 0.12
"""Standard deviation of the smoothing kernel, in decades of the rate. It is centered, so that the
smoothed curve does not lag behind as a running average does."""

_HIGHEST = 2.0
"""Losses count up to this multiple of the first ones: what they explode to says nothing."""

_LEAST_FALL = 6.0
"""Standard errors of the first losses' mean by which the smoothed loss must fall to count. As its
lowest of many points is taken, three would be too few."""


@dataclass(frozen=True)
class Suggestion:
    """What follows from the losses of a range test.

    Attributes:
        rate: the suggested rate, of two significant digits; None where the loss did not fall.
        reason: in one or two sentences.
        smoothed: the smoothed loss of each step, float (n,).
        first_loss: median of the first losses, where the rate is too low to change anything.
        lowest_loss: of the smoothed curve.
        lowest_at: its rate.
    """

    rate: float | None
    reason: str
    smoothed: np.ndarray
    first_loss: float
    lowest_loss: float
    lowest_at: float


def suggest_rate(
    rates: np.ndarray, losses: np.ndarray, *, diverged: bool, guessing: float
) -> Suggestion:
    """Return the middle of the descent of the smoothed loss, on a logarithmic scale.

    It is the geometric mean of the rates at which the loss has made from 30 to 80 % of its way from
    the first losses down to its minimum. Where those are far above `guessing`, it is the rate at
    which 80 % are done.

    Smith ("Cyclical learning rates for training neural networks", WACV 2017, section 3.3) reads
    the rates between which the accuracy rises from such a curve by eye.

    Args:
        rates: float (n,), ascending.
        losses: float (n,), the loss of each step's batch before its update; the last ones may be
            infinite or NaN.
        diverged: whether the test stopped because of the loss.
        guessing: the loss of equal probabilities for all classes, with the penalty.
    """
    # Of the first half decade of rates.
    plateau = losses[: max(int(np.searchsorted(rates, rates[0] * np.sqrt(10))), 1)]
    first = float(np.median(plateau))
    finite = np.where(np.isfinite(losses), losses, np.inf).clip(max=_HIGHEST * first)
    smoothed = smooth(rates, finite)
    lowest = int(smoothed.argmin())
    fall = first - float(smoothed[lowest])
    noise = float(plateau.std()) / np.sqrt(len(plateau))
    rate = None
    reason = "The loss does not fall at any rate, so none is suggested."
    if np.isfinite(first) and fall > max(_LEAST_FALL * noise, 0.01 * abs(first)):
        low, high = DESCENT
        end = f"it diverges at {rates[-1]:.2g}" if diverged else "it does not diverge"
        reason = (
            f"The smoothed loss falls from {first:.3g} to {smoothed[lowest]:.3g} at "
            f"{rates[lowest]:.2g}; {end}. "
        )
        if first >= TOO_LARGE * guessing:
            low = high
            reason += (
                f"It starts far above {guessing:.3g}, the loss of guessing, so most of the descent "
                "shows that the outputs shrink, and the suggestion is the rate at which "
                f"{100 * high:.0f} % of it are done."
            )
        else:
            reason += (
                "The suggestion is the middle of the descent: the geometric mean of the rates at "
                f"which {100 * low:.0f} to {100 * high:.0f} % of it are done."
            )
        done = (first - np.minimum.accumulate(smoothed[: lowest + 1])) / fall
        reached = rates[np.searchsorted(done, np.linspace(low, high, 51))]
        rate = float(f"{np.exp(np.log(reached).mean()):.1e}")
    return Suggestion(rate, reason, smoothed, first, float(smoothed[lowest]), float(rates[lowest]))


def smooth(rates: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Return the losses averaged over neighboring rates with a Gaussian kernel."""
    decades = np.log10(rates)
    weights = np.exp(-(((decades[:, None] - decades) / _DECADES) ** 2) / 2)
    return np.asarray(weights @ losses / weights.sum(axis=1))
