"""The rules that make findings of the facts about a run, and what each of them explains."""

from __future__ import annotations

from collections.abc import Callable

from mlptrain.findings import fit, inside, predictions, rate
from mlptrain.findings.facts import Facts, RunFinding

RULES: tuple[Callable[[Facts], RunFinding | None], ...] = (
    rate.diverged, inside.symmetric_units, inside.dead_units, inside.saturated_units,
    inside.exploding_gradients, inside.vanishing_gradients, rate.rate_too_high, rate.rate_too_low,
    rate.too_few_updates, fit.underfitting_regularization, fit.underfitting_capacity,
    fit.not_learning, predictions.collapsed_predictions, predictions.small_evaluation,
    predictions.choice_within_noise, rate.unstable, fit.overfitting, fit.stopped_too_early,
    predictions.miscalibrated, predictions.classes_ignored, fit.trained_too_long,
)  # fmt: skip
"""All of them, the most basic cause first; each has the name of its finding."""

ORDER = tuple(rule.__name__ for rule in RULES)

_NO_LEARNING = {"not_learning", "collapsed_predictions", "classes_ignored", "miscalibrated"}
_FIT = {
    "underfitting_capacity", "underfitting_regularization", "stopped_too_early",
    "trained_too_long", "overfitting", "unstable",
}  # fmt: skip
_INSIDE = {"dead_units", "saturated_units", "vanishing_gradients", "exploding_gradients"}
_EVERYTHING = _NO_LEARNING | _FIT | _INSIDE | {"rate_too_high", "rate_too_low", "too_few_updates"}

CONSEQUENCES: dict[str, set[str]] = {
    "diverged": _EVERYTHING - {"exploding_gradients"},
    **dict.fromkeys(("symmetric_units", "dead_units", "saturated_units"), _EVERYTHING),
    "exploding_gradients": _EVERYTHING | {"diverged"},
    **dict.fromkeys(("vanishing_gradients", "rate_too_high", "rate_too_low"), _EVERYTHING),
    "too_few_updates": _EVERYTHING,
    "underfitting_regularization": _NO_LEARNING | _FIT | _INSIDE,
    "underfitting_capacity": _NO_LEARNING | _FIT | _INSIDE,
    "not_learning": _NO_LEARNING | _FIT,
    "collapsed_predictions": {"classes_ignored", "miscalibrated"} | _FIT,
    "unstable": {"miscalibrated", "classes_ignored", "trained_too_long", "stopped_too_early"},
    "overfitting": {"miscalibrated", "trained_too_long"},
    "stopped_too_early": {"miscalibrated", "classes_ignored"},
    "small_evaluation": {"choice_within_noise"},
    "choice_within_noise": {"unstable", "overfitting", "stopped_too_early", "trained_too_long"},
}
"""Name → what it causes, and what therefore is not reported beside it."""
