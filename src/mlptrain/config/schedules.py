"""The learning-rate schedules that `schedule=` may name; training/schedules.py computes them."""

from __future__ import annotations

from mlptrain.config.choices import (
    Choice,
    Fraction,
    PositiveFraction,
    PositiveInt,
    Share,
    UnitInterval,
)

_WARMUP = {"warmup": Fraction}

SCHEDULES: dict[str, Choice] = {
    "constant": Choice("the optimizer's rate throughout, the study's choice", None, _WARMUP),
    "cosine": Choice(
        "half a cosine down to a share of the rate", None, {**_WARMUP, "final": UnitInterval}
    ),
    "linear": Choice(
        "a straight line down to a share of the rate", None, {**_WARMUP, "final": UnitInterval}
    ),
    "exponential": Choice(
        "the same factor every step, down to a share of the rate",
        None,
        {**_WARMUP, "final": Share},
    ),
    "step": Choice(
        "multiplied by a factor at equally spaced steps",
        None,
        {**_WARMUP, "factor": PositiveFraction, "drops": PositiveInt},
    ),
    "one_cycle": Choice(
        "up to the rate, then down far below it (Smith, 2018)",
        None,
        {"peak": PositiveFraction, "start": UnitInterval, "final": UnitInterval},
    ),
    "inverse_sqrt": Choice("1 over the root of the step after the warm-up", None, _WARMUP),
}
