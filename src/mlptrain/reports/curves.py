"""Learning curves of configurations: per epoch the mean over seeds, the lowest and the highest."""

import statistics
from collections.abc import Sequence
from typing import Any

from mlptrain.history import metrics
from mlptrain.reports.comparison import Configuration

MOST_LINES = 60
MOST_EPOCHS = 200
_LAST_EPOCH = 1_000_000
"""An untrusted history.csv may hold any number for an epoch."""


def learning_curves(configurations: Sequence[Configuration]) -> dict[str, Any]:
    """Return the curves of the best configurations.

    Returns:
        `shown` of `of` configurations, `every` how many epochs there is a point, and `lines`,
        each with `configuration` (its place in the leaderboard, from 0), `epoch`, `runs` (how
        many have that epoch) and per metric `mean`, `low` and `high`.
    """
    chosen = [(i, c) for i, c in enumerate(configurations) if any(r.history for r in c.runs)]
    chosen = chosen[:MOST_LINES]
    tables = [_by_epoch(c) for _, c in chosen]
    longest = max((len(table) for table in tables), default=0)
    every = max(1, -(-longest // MOST_EPOCHS))
    return {
        "shown": len(chosen),
        "of": len(configurations),
        "every": every,
        "lines": [
            {"configuration": i, **_line(table, every)}
            for (i, _), table in zip(chosen, tables, strict=True)
        ],
    }


def curve_names() -> dict[str, str]:
    """Return metric → its name in the list to choose from; the first is shown first."""
    return {
        column.key: f"{'Validation' if column.is_validation else 'Training'} {column.quantity}"
        + ", %" * column.is_fraction
        for column in metrics()
    }


def _by_epoch(configuration: Configuration) -> dict[int, list[dict[str, float | None]]]:
    rows: dict[int, list[dict[str, float | None]]] = {}
    for run in configuration.runs:
        epochs = {
            int(row["epoch"]): row
            for row in run.history
            if row["epoch"] is not None and 1 <= row["epoch"] <= _LAST_EPOCH
        }
        for epoch, row in epochs.items():
            rows.setdefault(epoch, []).append(row)
    return dict(sorted(rows.items()))


def _line(table: dict[int, list[dict[str, float | None]]], every: int) -> dict[str, Any]:
    last = max(table, default=0)
    epochs = [e for n, e in enumerate(table) if n % every == 0 or e == last]
    line: dict[str, Any] = {"epoch": epochs, "runs": [len(table[e]) for e in epochs]}
    for key in (column.key for column in metrics()):
        line[key] = over_seeds(
            [[v for row in table[e] if (v := row[key]) is not None] for e in epochs]
        )
    return line


def over_seeds(values: Sequence[Sequence[float]]) -> dict[str, list[float | None]]:
    """Return `mean`, `low` and `high` of the values of each epoch, None where there are none.

    They have six significant digits: more than a screen shows, half the bytes.
    """
    return {
        part: [float(f"{of(each):.6g}") if each else None for each in values]
        for part, of in (("mean", statistics.fmean), ("low", min), ("high", max))
    }
