"""Findings: what went wrong in a run, from its files alone.

Each finding is a pure function of `Facts`; `find` runs them all and leaves out what is only the
consequence of another one.
"""

from __future__ import annotations

from collections.abc import Callable

from mlptrain.findings import fit, inside, predictions, rate
from mlptrain.findings.facts import Facts
from mlptrain.findings.finding import CONSEQUENCES, ORDER, Finding, sort_key

CHECKS: tuple[Callable[[Facts], Finding | None], ...] = (
    rate.diverged, inside.symmetric_units, inside.dead_units, inside.saturated_units,
    inside.exploding_gradients, inside.vanishing_gradients, rate.rate_too_high, rate.rate_too_low,
    rate.too_few_updates, fit.underfitting_regularization, fit.underfitting_capacity,
    fit.not_learning, predictions.collapsed_predictions, rate.unstable, fit.overfitting,
    fit.stopped_too_early, predictions.miscalibrated, predictions.classes_ignored,
    predictions.small_evaluation, fit.trained_too_long, predictions.choice_within_noise,
)  # fmt: skip
"""All of them; each returns its finding, or None."""


def find(facts: Facts) -> list[Finding]:
    """Return the findings about a run, the severest and most basic first; see `CONSEQUENCES`."""
    candidates = {item.name: item for check in CHECKS if (item := check(facts)) is not None}
    # Units that die or saturate by and by are a consequence; those that begin so, a cause.
    order = list(ORDER)
    for name in ("dead_units", "saturated_units"):
        if name in candidates and candidates[name].since_epoch != 0:
            order.remove(name)
            order.insert(order.index("not_learning"), name)
    findings: list[Finding] = []
    explained: set[str] = set()
    for name in order:
        if name in candidates and name not in explained:
            findings.append(candidates[name])
            if candidates[name].severity != "low":
                explained |= CONSEQUENCES.get(name, set())
    if any(finding.name == "exploding_gradients" for finding in findings):
        findings = [finding for finding in findings if finding.name != "diverged"]
    return sorted(findings, key=sort_key)


__all__ = ["CHECKS", "Facts", "Finding", "find"]
