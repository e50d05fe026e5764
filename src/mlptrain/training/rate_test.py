"""The learning-rate range test (Smith, 2017): the rate rises from step to step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlptrain.config.sizes import steps_per_epoch

if TYPE_CHECKING:
    from mlptrain.training.assemble import Assembly

LOWEST_RATE, HIGHEST_RATE = 1e-7, 10.0
"""As in fastai's `lr_find`."""
STEPS = 320
"""Forty for each decade."""
_EXPLODED = 4.0
"""Multiple of the lowest running average of the loss at which the test stops, as in fastai."""
_MEMORY = 0.9
"""Weight of the past in the running average."""
_BETWEEN_LINES = 100


@dataclass(frozen=True)
class RateTest:
    """The course of a range test.

    Attributes:
        rates: float32 (n,), of each step.
        losses: float64 (n,), of each step's batch before its update, with the penalty.
        diverged: whether the loss exploded or was not finite at the last step.
        guessing: the loss of equal probabilities for all classes, with the penalty at the start.
    """

    rates: np.ndarray
    losses: np.ndarray
    diverged: bool
    guessing: float


def run_rate_test(assembly: Assembly, say: Callable[[str], None]) -> RateTest:
    """Train with a rate that rises exponentially, until the loss diverges.

    The batches are those that training would see: same order, augmentation and dropout. Small data
    sets are gone through several times.

    Args:
        assembly: with fresh weights, which the test changes.
        say: receives a line from time to time.
    """
    from mlptrain.training.engine import Totals
    from mlptrain.training.penalty import penalty

    config, engine = assembly.config, assembly.engine
    of_epoch, size = steps_per_epoch(config), config.train.batch_size
    images = len(assembly.dataset.train)
    guessing = float(np.log(len(config.data.class_names())))
    guessing += float(penalty(assembly.mlp.penalized, config.regularization))
    rates = np.geomspace(LOWEST_RATE, HIGHEST_RATE, STEPS).astype(np.float32)
    losses: list[float] = []
    average, lowest = 0.0, np.inf
    for number, rate in enumerate(rates):
        epoch, step = divmod(number, of_epoch)
        if step == 0:
            order = engine.start_epoch(epoch + 1)
        step_rates = np.full(of_epoch, rate, np.float32)
        totals = engine.train_steps(order, step_rates, step, step + 1, epoch * of_epoch, Totals())
        losses.append(totals.loss / (min((step + 1) * size, images) - step * size))
        average = _MEMORY * average + (1 - _MEMORY) * losses[-1]
        unbiased = average / (1 - _MEMORY ** (number + 1))
        lowest = min(lowest, unbiased)
        if not np.isfinite(unbiased) or unbiased > _EXPLODED * lowest:
            return RateTest(rates[: number + 1], np.array(losses), True, guessing)
        if number % _BETWEEN_LINES == _BETWEEN_LINES - 1:
            say(f"step {number + 1} of at most {STEPS}, rate {rate:.2g}, loss {losses[-1]:.4g}")
    return RateTest(rates, np.array(losses), False, guessing)
