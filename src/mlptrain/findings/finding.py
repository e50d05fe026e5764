"""A finding: what went wrong in a run, how that is known, and what to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["high", "medium", "low"]

SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")

ORDER = (
    "diverged", "symmetric_units", "dead_units", "saturated_units", "exploding_gradients",
    "vanishing_gradients", "rate_too_high", "rate_too_low", "too_few_updates",
    "underfitting_regularization", "underfitting_capacity", "not_learning",
    "collapsed_predictions", "small_evaluation", "choice_within_noise", "unstable", "overfitting",
    "stopped_too_early", "miscalibrated", "classes_ignored", "trained_too_long",
)  # fmt: skip
"""Every name, the most basic cause first."""

_NO_LEARNING = {"not_learning", "collapsed_predictions", "classes_ignored", "miscalibrated"}
_FIT = {
    "underfitting_capacity", "underfitting_regularization", "stopped_too_early",
    "trained_too_long", "overfitting", "unstable",
}  # fmt: skip
_INSIDE = {"dead_units", "saturated_units", "vanishing_gradients", "exploding_gradients"}
_RATE = {"rate_too_high", "rate_too_low", "too_few_updates"}
_EVERYTHING = _NO_LEARNING | _FIT | _INSIDE | _RATE

CONSEQUENCES: dict[str, set[str]] = {
    "diverged": _EVERYTHING - {"exploding_gradients"},
    "symmetric_units": _EVERYTHING,
    "dead_units": _EVERYTHING - {"dead_units"},
    "saturated_units": _EVERYTHING - {"saturated_units", "dead_units"},
    "exploding_gradients": (_EVERYTHING | {"diverged"}) - {"exploding_gradients"},
    "vanishing_gradients": _EVERYTHING - {"vanishing_gradients"},
    "rate_too_high": _EVERYTHING - {"rate_too_high"},
    "rate_too_low": _EVERYTHING - {"rate_too_low"},
    "too_few_updates": _EVERYTHING - {"too_few_updates"},
    "underfitting_regularization": (_NO_LEARNING | _FIT | _INSIDE)
    - {"underfitting_regularization"},
    "underfitting_capacity": (_NO_LEARNING | _FIT | _INSIDE) - {"underfitting_capacity"},
    "not_learning": _NO_LEARNING - {"not_learning"} | _FIT,
    "collapsed_predictions": {"classes_ignored", "miscalibrated"} | _FIT,
    "unstable": {"miscalibrated", "classes_ignored", "trained_too_long", "stopped_too_early"},
    "overfitting": {"miscalibrated", "trained_too_long"},
    "stopped_too_early": {"miscalibrated", "classes_ignored"},
    "small_evaluation": {"choice_within_noise"},
    "choice_within_noise": {"unstable", "overfitting", "stopped_too_early", "trained_too_long"},
}
"""Name → what it causes, and what therefore is not reported beside it."""


@dataclass(frozen=True)
class Finding:
    """One cause of what a run did.

    Attributes:
        name: stable, one of `ORDER`.
        severity: `high` if the run is not worth keeping as it is.
        summary: one sentence of what is wrong.
        evidence: what was measured: numbers with their epochs.
        since_epoch: the first epoch that shows it, 0 for the untrained net; None if it has none.
        commands: what to try, the most promising first.
    """

    name: str
    severity: Severity
    summary: str
    evidence: str
    since_epoch: int | None
    commands: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return the finding as it stands in `mlptrain explain --format json`."""
        return {
            "name": self.name,
            "severity": self.severity,
            "summary": self.summary,
            "evidence": self.evidence,
            "since_epoch": self.since_epoch,
            "try": list(self.commands),
        }


def sort_key(finding: Finding) -> tuple[int, int]:
    """Return what orders findings: the severest first, of those the most basic."""
    return SEVERITIES.index(finding.severity), ORDER.index(finding.name)
