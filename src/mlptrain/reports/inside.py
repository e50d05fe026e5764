"""Inside the nets of a group: findings of each configuration, and what the instruments measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from mlptrain.finding import SEVERITIES
from mlptrain.findings import Facts, find
from mlptrain.findings.differences import QUANTITIES
from mlptrain.reports.comparison import Configuration

MOST_CONFIGURATIONS = 60
_MOST_SEEDS = 10
"""Configurations and seeds whose folders are read for this: the best ones, the first ones."""

_SHOWN = (
    "dead units", "saturated activations", "SD of the activations",
    "gradient norm, first layer over last hidden layer", "update ratio per step",
    "effective rank of the activations",
)  # fmt: skip


def inside_the_nets(configurations: Sequence[Configuration]) -> dict[str, Any]:
    """Return what is known about the nets of a group's configurations.

    Returns:
        `quantities`, each with `name` and `is_share`, and `configurations` in the order given, at
        most `MOST_CONFIGURATIONS`, each with

        - `findings`: `name`, `severity`, `summary` (of the first seed that has it), and `seeds`
          that have it out of `of`, the severest and most frequent first.
        - `values`: one for each quantity, the mean over the seeds at the end of training; None
          where nothing was measured.
    """
    shown = [(name, value, share) for name, value, share in QUANTITIES if name in _SHOWN]
    described = []
    for configuration in configurations[:MOST_CONFIGURATIONS]:
        facts = [Facts.of(run) for run in configuration.runs[:_MOST_SEEDS]]
        described.append(
            {
                "findings": _findings(facts),
                "values": [
                    _mean([value(item, item.last_measured) for item in facts])
                    for _, value, _ in shown
                ],
            }
        )
    return {
        "quantities": [{"name": name, "is_share": share} for name, _, share in shown],
        "configurations": described,
    }


def _findings(facts: Sequence[Facts]) -> list[dict[str, Any]]:
    by_name: dict[str, dict[str, Any]] = {}
    for item in facts:
        for finding in find(item):
            entry = {
                "name": finding.name, "severity": finding.severity, "summary": finding.summary,
                "seeds": 0, "of": len(facts),
            }  # fmt: skip
            by_name.setdefault(finding.name, entry)["seeds"] += 1
    return sorted(
        by_name.values(), key=lambda entry: (SEVERITIES.index(entry["severity"]), -entry["seeds"])
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
