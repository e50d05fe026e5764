"""Findings: what went wrong in a run, from its files alone.

Each is made by a pure function of `Facts`; `find` calls them all and leaves out what is only the
consequence of another one.
"""

from __future__ import annotations

from mlptrain.finding import SEVERITIES
from mlptrain.findings.facts import Facts, RunFinding
from mlptrain.findings.rules import CONSEQUENCES, ORDER, RULES


def find(facts: Facts) -> list[RunFinding]:
    """Return the findings about a run, the severest and most basic first; see `CONSEQUENCES`."""
    candidates = {item.name: item for rule in RULES if (item := rule(facts)) is not None}
    # Units that die or saturate by and by are a consequence; those that begin so, a cause.
    order = list(ORDER)
    for name in ("dead_units", "saturated_units"):
        if name in candidates and candidates[name].since_epoch != 0:
            order.remove(name)
            order.insert(order.index("not_learning"), name)
    findings: list[RunFinding] = []
    explained: set[str] = set()
    for name in order:
        if name in candidates and name not in explained:
            findings.append(candidates[name])
            if candidates[name].severity != "low":
                explained |= CONSEQUENCES.get(name, set())
    if any(finding.name == "exploding_gradients" for finding in findings):
        findings = [finding for finding in findings if finding.name != "diverged"]
    return sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), ORDER.index(f.name)))


__all__ = ["Facts", "RunFinding", "find"]
