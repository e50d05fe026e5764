"""Learning-rate schedules: the rate of every step, from the step's number alone.

Each schedule is a multiple of the optimizer's rate in [0, 1], a function of how many of all the
run's steps are done. Steps are computed one at a time in double precision, not as an array: the
figure of a step is then the same to the last bit however the steps are grouped into graph calls,
which vectorised NumPy does not promise. A step costs about a microsecond.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlptrain.errors import ConfigError


def learning_rates(
    schedule: Any, first_step: int, steps: int, total_steps: int, base: float
) -> NDArray[np.float32]:
    """The rates of `steps` consecutive steps.

    With a warm-up of w steps, step s < w has (s + 1) / w of the base rate; the schedule proper
    then runs over the remaining steps. A schedule's `final` is what step `total_steps` would
    have, so the last step taken is still just above it.

    Args:
        schedule: the config's `schedule` node: `name`, and the parameters of that name.
        first_step: how many steps of the run come before these, from 0.
        steps: how many rates to return.
        total_steps: steps of the whole run, all epochs together.
        base: the optimizer's learning rate from the config.

    Returns:
        float32 array, shape (steps,).

    Raises:
        ConfigError: there is no schedule of that name.

    Example:
        >>> from types import SimpleNamespace
        >>> learning_rates(SimpleNamespace(name="linear", warmup=0.0, final=0.0), 0, 4, 4, 1.0)
        array([1.  , 0.75, 0.5 , 0.25], dtype=float32)
    """
    if schedule.name == "inverse_sqrt":
        multiple: Callable[[int], float] = _inverse_sqrt(schedule, total_steps)
    elif schedule.name == "one_cycle":
        multiple = _one_cycle(schedule, total_steps)
    elif schedule.name in DECAYS:
        multiple = _warmed_up(DECAYS[schedule.name], schedule, total_steps)
    else:
        names = sorted([*DECAYS, "inverse_sqrt", "one_cycle"])
        raise ConfigError(
            expected=f"a schedule out of {', '.join(names)}",
            received=f"schedule.name={schedule.name}",
            action="mlptrain options schedule",
        )
    window = range(first_step, first_step + steps)
    return np.fromiter((base * multiple(step) for step in window), np.float32, count=steps)


def _constant(schedule: Any, done: int, whole: int) -> float:
    return 1.0


def _cosine(schedule: Any, done: int, whole: int) -> float:
    """One period of SGDR without a restart: Loshchilov & Hutter, ICLR 2017, equation 5."""
    return _from_to(1.0, schedule.final, done / whole)


def _linear(schedule: Any, done: int, whole: int) -> float:
    return 1.0 - (1.0 - schedule.final) * done / whole


def _exponential(schedule: Any, done: int, whole: int) -> float:
    return float(schedule.final ** (done / whole))


def _step(schedule: Any, done: int, whole: int) -> float:
    """Piecewise constant: `drops` drops by `factor` cut the steps into drops + 1 equal parts."""
    # In integers: 0.1 * 30 in floats would put some drops one step late.
    dropped = min(done * (schedule.drops + 1) // whole, schedule.drops)
    return float(schedule.factor**dropped)


DECAYS: dict[str, Callable[[Any, int, int], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "linear": _linear,
    "exponential": _exponential,
    "step": _step,
}
"""Name → multiple of the base rate after `done` of `whole` steps; all start at 1."""


def _warmed_up(
    decay: Callable[[Any, int, int], float], schedule: Any, total_steps: int
) -> Callable[[int], float]:
    """A linear warm-up (Goyal et al., 2017, section 2.2), then the decay over what is left."""
    warmup = round(schedule.warmup * total_steps)
    whole = max(total_steps - warmup, 1)

    def multiple(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return decay(schedule, min(step - warmup, whole), whole)

    return multiple


def _one_cycle(schedule: Any, total_steps: int) -> Callable[[int], float]:
    """1cycle: Smith, "A disciplined approach to neural network hyper-parameters", 2018.

    From `start` to the base rate at the fraction `peak` of the steps, then down to `final`. Both
    ways are half cosines, as in fastai and PyTorch, in place of the paper's straight lines.
    """
    peak = round(schedule.peak * total_steps)
    whole = max(total_steps - peak, 1)

    def multiple(step: int) -> float:
        if step < peak:
            return _from_to(schedule.start, 1.0, step / peak)
        return _from_to(1.0, schedule.final, min((step - peak) / whole, 1.0))

    return multiple


def _inverse_sqrt(schedule: Any, total_steps: int) -> Callable[[int], float]:
    """Vaswani et al., "Attention is all you need", 2017, section 5.3, scaled to a peak of 1.

    min(n / w, sqrt(w / n)) with n the step counted from 1 and w the steps of the warm-up; without
    a warm-up w is 1, and the rate falls from the first step on.
    """
    warmup = max(round(schedule.warmup * total_steps), 1)

    def multiple(step: int) -> float:
        count = step + 1
        return min(count / warmup, math.sqrt(warmup / count))

    return multiple


def _from_to(start: float, end: float, progress: float) -> float:
    """Half a cosine from `start` to `end` while `progress` goes from 0 to 1."""
    # cos² of half the angle equals (1 + cos) / 2 but does not cancel to 0 near the end.
    return end + (start - end) * math.cos(math.pi / 2 * progress) ** 2
