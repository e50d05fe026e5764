"""Inside the nets of a group or a stage: findings, and what the instruments measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from mlptrain.finding import SEVERITIES
from mlptrain.findings import Facts, find
from mlptrain.findings.differences import QUANTITIES
from mlptrain.formatting import percent
from mlptrain.reports.comparison import Configuration
from mlptrain.reports.curves import over_seeds
from mlptrain.reports.stages import StageRow

MOST_CONFIGURATIONS = 60
_MOST_SEEDS = 10
"""Configurations and seeds whose folders are read for this: the best ones, the first ones."""

_SHOWN = (
    "dead units", "saturated activations", "SD of the activations",
    "gradient norm, first layer over last hidden layer", "update ratio per step",
    "effective rank of the activations",
)  # fmt: skip
_QUANTITIES = tuple(quantity for quantity in QUANTITIES if quantity[0] in _SHOWN)


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
    described = []
    for configuration in configurations[:MOST_CONFIGURATIONS]:
        facts = [Facts.of(run) for run in configuration.runs[:_MOST_SEEDS]]
        described.append(
            {
                "findings": _findings(facts),
                "values": [
                    _mean([value(item, item.last_measured) for item in facts])
                    for _, value, _ in _QUANTITIES
                ],
            }
        )
    return {
        "quantities": [{"name": name, "is_share": share} for name, _, share in _QUANTITIES],
        "configurations": described,
    }


def mechanism(rows: Sequence[StageRow]) -> dict[str, Any] | None:
    """Return what the instruments measured in the nets of a stage, epoch by epoch.

    Returns:
        `quantities` (`name`, `is_share`), the one that differs most between the configurations
        first; `sentence`, which says by how much; and `lines`, one for each configuration that was
        measured, with `label`, `epoch` (0 is the untrained net), `runs`, and for each quantity
        `mean`, `low` and `high` over the seeds. None if fewer than two were measured.
    """
    lines = [line for row in rows[:MOST_CONFIGURATIONS] if (line := _line(row)) is not None]
    if len(lines) < 2:
        return None
    differences = {name: _largest_difference(lines, name, share) for name, _, share in _QUANTITIES}
    order = sorted(_QUANTITIES, key=lambda quantity: -differences[quantity[0]][0])
    name, _, is_share = order[0]
    _, epoch = differences[name]
    values = sorted(
        (line[name]["mean"][line["epoch"].index(epoch)], line["label"]) for line in lines
    )
    low, high = (percent(v) if is_share else f"{v:.2g}" for v, _ in (values[0], values[-1]))
    when = f"after epoch {epoch}" if epoch else "before the first step"
    return {
        "quantities": [{"name": name, "is_share": share} for name, _, share in order],
        "sentence": f"Of what was measured inside the nets, this differs most: {name}, {low} with "
        f"{values[0][1]} and {high} with {values[-1][1]} {when}.",
        "lines": lines,
    }


def _line(row: StageRow) -> dict[str, Any] | None:
    """Return what was measured in the runs of a configuration, by epoch; None if nothing was."""
    facts = [Facts.of(run) for run in row.runs[:_MOST_SEEDS]]
    epochs = sorted({epoch for item in facts for epoch in item.measured_epochs})
    if not epochs:
        return None
    line: dict[str, Any] = {"label": row.label, "epoch": epochs}
    line["runs"] = [sum(epoch in item.measured_epochs for item in facts) for epoch in epochs]
    for name, value, _ in _QUANTITIES:
        line[name] = over_seeds(
            [[v for item in facts if (v := value(item, e)) is not None] for e in epochs]
        )
    return line


def _largest_difference(
    lines: Sequence[dict[str, Any]], name: str, is_share: bool
) -> tuple[float, int]:
    """Return how much the lines differ at most, in tenths or powers of ten, and in which epoch."""
    largest = (0.0, 0)
    for epoch in set.intersection(*(set(line["epoch"]) for line in lines)):
        means = [line[name]["mean"][line["epoch"].index(epoch)] for line in lines]
        if None in means:
            continue
        low, high = min(means), max(means)
        if is_share:
            largest = max(largest, (3 * (high - low), epoch))
        elif low > 0:
            largest = max(largest, (math.log10(high / low), epoch))
    return largest


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
