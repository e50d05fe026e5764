"""What the values of each setting go with, alone and two settings at once."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

Row = tuple[Mapping[str, Any], float]
"""A configuration: its settings, and its mean validation accuracy."""

_MOST_VALUES = 12
"""A setting with more values than this gets no table of effects: nobody would read it."""


@dataclass(frozen=True)
class Effect:
    """What one value of a setting goes with, over everything else that was tried.

    Attributes:
        value: of the setting.
        configurations: how many have it.
        mean: of their mean validation accuracies.
    """

    value: str
    configurations: int
    mean: float


@dataclass(frozen=True)
class TwoFactors:
    """Two settings at once: mean validation accuracy and number of configurations per pair.

    Attributes:
        rows: name of the first setting.
        columns: of the second.
        row_values: in the order in which they were met.
        column_values: likewise.
        cells: (mean, configurations); None where nothing was tried.
    """

    rows: str
    columns: str
    row_values: list[str]
    column_values: list[str]
    cells: list[list[tuple[float, int] | None]]

    @property
    def missing(self) -> int:
        """Pairs that were not tried."""
        return sum(cell is None for row in self.cells for cell in row)


def effects_of(configurations: Sequence[Row], keys: Sequence[str]) -> dict[str, list[Effect]]:
    """Return setting → its values, best first; settings of many values are left out."""
    effects = {}
    for key in keys:
        by_value: dict[str, list[float]] = {}
        for settings, validation in configurations:
            by_value.setdefault(str(settings[key]), []).append(validation)
        if len(by_value) <= _MOST_VALUES:
            effects[key] = sorted(
                (Effect(v, len(means), statistics.fmean(means)) for v, means in by_value.items()),
                key=lambda effect: -effect.mean,
            )
    return effects


def pairs_of(configurations: Sequence[Row], keys: Sequence[str]) -> list[TwoFactors]:
    """Return tables of the settings with fewest values, at most six of them."""
    number = {key: len({str(settings[key]) for settings, _ in configurations}) for key in keys}
    readable = [key for key in keys if number[key] <= _MOST_VALUES]
    chosen = sorted(combinations(readable, 2), key=lambda pair: number[pair[0]] * number[pair[1]])
    return [_two_factors(configurations, *pair) for pair in chosen[:6]]


def _two_factors(configurations: Sequence[Row], rows: str, columns: str) -> TwoFactors:
    means: dict[tuple[str, str], list[float]] = {}
    for settings, validation in configurations:
        means.setdefault((str(settings[rows]), str(settings[columns])), []).append(validation)
    row_values = list(dict.fromkeys(row for row, _ in means))
    column_values = list(dict.fromkeys(column for _, column in means))
    cells = [
        [
            (statistics.fmean(means[row, column]), len(means[row, column]))
            if (row, column) in means
            else None
            for column in column_values
        ]
        for row in row_values
    ]
    return TwoFactors(rows, columns, row_values, column_values, cells)
