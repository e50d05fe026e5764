"""Learning-rate schedules: one entry each, with its parameters and its formula.

A schedule is a multiple of the optimizer's rate in [0, 1], a function of the step's number alone.
Steps are computed one at a time in double precision, not as an array: the rate of a step is then
the same to the last bit however the steps are grouped into graph calls, which vectorized NumPy
does not promise. A step costs about a microsecond.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlptrain.errors import ConfigError
from mlptrain.ranges import Fraction, PositiveFraction, PositiveInt, Share, UnitInterval

if TYPE_CHECKING:  # a config is checked without NumPy
    import numpy as np
    from numpy.typing import NDArray

Multiple = Callable[[int], float]
"""Step, from 0 → multiple of the optimizer's rate."""


@dataclass(frozen=True)
class Schedule:
    """What a choice of the group `schedule` stands for.

    Attributes:
        parameters: key → type with its range.
        formula: (`schedule` node of the config, steps of the whole run) → the multiples.
    """

    parameters: Mapping[str, Any]
    formula: Callable[[Any, int], Multiple]


def learning_rates(
    schedule: Any, first_step: int, steps: int, total_steps: int, base: float
) -> NDArray[np.float32]:
    """Return the rates of `steps` consecutive steps.

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
    import numpy as np

    if schedule.name not in SCHEDULES:
        raise ConfigError(
            expected=f"a schedule out of {', '.join(sorted(SCHEDULES))}",
            received=f"schedule.name={schedule.name}",
            action="`mlptrain options schedule` describes each",
        )
    multiple = SCHEDULES[schedule.name].formula(schedule, total_steps)
    window = range(first_step, first_step + steps)
    return np.fromiter((base * multiple(step) for step in window), np.float32, count=steps)


def decay(multiple: Callable[[Any, int, int], float], **parameters: Any) -> Schedule:
    """Return a schedule that warms up linearly, then decays over the remaining steps.

    With a warm-up of w steps, step s < w has (s + 1) / w of the optimizer's rate (Goyal et al.,
    2017, section 2.2).

    Args:
        multiple: (node, steps done, all steps) → the multiple; 1 at the start. Neither number
            counts the warm-up, and the last step of a run is just before all steps are done.
        parameters: of the schedule, besides `warmup`.
    """

    def formula(schedule: Any, total_steps: int) -> Multiple:
        warmup = round(schedule.warmup * total_steps)
        total = max(total_steps - warmup, 1)

        def warmed_up(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return multiple(schedule, min(step - warmup, total), total)

        return warmed_up

    return Schedule({"warmup": Fraction, **parameters}, formula)


def _constant(schedule: Any, done: int, total: int) -> float:
    return 1.0


def _cosine(schedule: Any, done: int, total: int) -> float:
    """One period of SGDR without a restart: Loshchilov and Hutter, ICLR 2017, equation 5."""
    return _half_cosine(1.0, schedule.final, done / total)


def _linear(schedule: Any, done: int, total: int) -> float:
    return 1.0 - (1.0 - schedule.final) * done / total


def _exponential(schedule: Any, done: int, total: int) -> float:
    return float(schedule.final ** (done / total))


def _step(schedule: Any, done: int, total: int) -> float:
    """Piecewise constant: `drops` drops by `factor` cut the steps into drops + 1 equal parts."""
    # In integers: 0.1 * 30 in floats would put some drops one step late.
    dropped = min(done * (schedule.drops + 1) // total, schedule.drops)
    return float(schedule.factor**dropped)


def _one_cycle(schedule: Any, total_steps: int) -> Multiple:
    """1cycle: Smith, "A disciplined approach to neural network hyper-parameters", 2018.

    From `start` to the base rate at the fraction `peak` of the steps, then down to `final`. Both
    ways are half cosines, as in fastai and PyTorch, in place of the paper's straight lines.
    """
    peak = round(schedule.peak * total_steps)
    descent = max(total_steps - peak, 1)

    def multiple(step: int) -> float:
        if step < peak:
            return _half_cosine(schedule.start, 1.0, step / peak)
        return _half_cosine(1.0, schedule.final, min((step - peak) / descent, 1.0))

    return multiple


def _inverse_sqrt(schedule: Any, total_steps: int) -> Multiple:
    """Vaswani et al., "Attention is all you need", 2017, section 5.3, scaled to a peak of 1.

    min(n / w, sqrt(w / n)) with n the step counted from 1 and w the steps of the warm-up; without
    a warm-up w is 1, and the rate falls from the first step on.
    """
    warmup = max(round(schedule.warmup * total_steps), 1)

    def multiple(step: int) -> float:
        count = step + 1
        return min(count / warmup, math.sqrt(warmup / count))

    return multiple


def _half_cosine(start: float, end: float, progress: float) -> float:
    """Return the way from `start` to `end` while `progress` goes from 0 to 1."""
    # cos² of half the angle equals (1 + cos) / 2 but does not cancel to 0 near the end.
    return end + (start - end) * math.cos(math.pi / 2 * progress) ** 2


SCHEDULES: dict[str, Schedule] = {
    "constant": decay(_constant),
    "cosine": decay(_cosine, final=UnitInterval),
    "linear": decay(_linear, final=UnitInterval),
    "exponential": decay(_exponential, final=Share),
    "step": decay(_step, factor=PositiveFraction, drops=PositiveInt),
    "one_cycle": Schedule(
        {"peak": PositiveFraction, "start": UnitInterval, "final": UnitInterval}, _one_cycle
    ),
    "inverse_sqrt": Schedule({"warmup": Fraction}, _inverse_sqrt),
}
"""`schedule.name` → its entry."""
