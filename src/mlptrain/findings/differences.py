"""What differs inside two nets: the mechanism behind the difference of their figures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlptrain.config.settings import varying
from mlptrain.findings.facts import Facts
from mlptrain.formatting import percent

MOST = 6
_SMALLEST_SHARE = 0.1
_SMALLEST_RATIO = 1.5


@dataclass(frozen=True)
class Difference:
    """One quantity that differs between two nets.

    Attributes:
        quantity: what was measured, and when.
        values: of the first and the second run.
        sentence: both in words.
        weight: how much they differ, to sort by.
    """

    quantity: str
    values: tuple[float, float]
    sentence: str
    weight: float

    def record(self) -> dict[str, Any]:
        """Return the difference as it stands in JSON."""
        return {"quantity": self.quantity, "values": self.values, "summary": self.sentence}


def differences(first: Facts, second: Facts) -> list[Difference]:
    """Return what differs most inside two nets, the largest difference first.

    Shares differ by points, everything else by its ratio. Quantities are those of the hidden
    layers: the mean of shares, and the geometric mean of other values.
    """
    moments = ((0, 0, "before the first step"), (1, 1, "after the first epoch"),
               (first.last_measured, second.last_measured, "at the end"))  # fmt: skip
    largest: list[Difference] = []
    for quantity, column, is_share in QUANTITIES:
        best: list[Difference] = []
        for epoch, other_epoch, moment in moments:
            pair = column(first, epoch), column(second, other_epoch)
            if pair[0] is None or pair[1] is None:
                continue
            difference = _difference(f"{quantity} {moment}", (pair[0], pair[1]), is_share)
            best += [difference] if difference is not None else []
        largest += sorted(best, key=lambda item: -item.weight)[:1]
    largest.sort(key=lambda item: -item.weight)
    return largest[:MOST]


def changed_settings(first: Facts, second: Facts) -> list[str]:
    """Return `key: first → second` of the settings in which two runs differ."""
    table = [first.settings, second.settings]
    return [f"{key}: {table[0].get(key, '-')} → {table[1].get(key, '-')}" for key in varying(table)]


def _difference(quantity: str, values: tuple[float, float], is_share: bool) -> Difference | None:
    if is_share:
        weight = abs(values[1] - values[0])
        if weight < _SMALLEST_SHARE:
            return None
        shares = [percent(value, 0) for value in values]
        text = f"{quantity}: {shares[0]} in the first, {shares[1]} in the second"
        return Difference(quantity, values, text, 3 * weight)
    low, high = sorted(values)
    if low <= 0 or high / low < _SMALLEST_RATIO:
        return None
    factor = high / low
    side = "second" if values[1] > values[0] else "first"
    text = (
        f"{quantity}: {values[0]:.3g} in the first, {values[1]:.3g} in the second "
        f"({factor:.3g} times as large in the {side})"
    )
    return Difference(quantity, values, text, math.log10(factor))


def _share(column: str) -> Callable[[Facts, int], float | None]:
    def mean(facts: Facts, epoch: int) -> float | None:
        values = [row[column] for row in facts.hidden_at(epoch) if row.get(column) is not None]
        return sum(values) / len(values) if values else None

    return mean


def _level(column: str, place: int | None = None) -> Callable[[Facts, int], float | None]:
    def geometric(facts: Facts, epoch: int) -> float | None:
        rows = facts.hidden_at(epoch)
        rows = rows if place is None else rows[place : place + 1]
        values = [row[column] for row in rows if row.get(column)]
        if not values or min(values) <= 0:
            return None
        return math.exp(sum(map(math.log, values)) / len(values))

    return geometric


def _gradient_ratio(facts: Facts, epoch: int) -> float | None:
    rows = [row for row in facts.hidden_at(epoch) if row.get("gradient_norm")]
    return rows[0]["gradient_norm"] / rows[-1]["gradient_norm"] if len(rows) > 1 else None


def _network(column: str) -> Callable[[Facts, int], float | None]:
    return lambda facts, epoch: facts.network(epoch).get(column)


QUANTITIES: tuple[tuple[str, Callable[[Facts, int], float | None], bool], ...] = (
    ("dead units", _share("dead_share"), True),
    ("saturated activations", _share("saturated_share"), True),
    ("units with the weights of another", _share("duplicate_share"), True),
    ("SD of the activations", _level("activation_sd"), False),
    ("gradient norm of the first layer", _level("gradient_norm", 0), False),
    ("gradient norm, first layer over last hidden layer", _gradient_ratio, False),
    ("update ratio per step", _level("update_ratio"), False),
    ("norm of the kernels", _level("kernel_norm"), False),
    ("effective rank of the activations", _level("effective_rank"), False),
    ("agreement of the gradients of two halves", _network("gradient_cosine"), True),
    ("confidence", _network("confidence"), True),
    ("calibration error", _network("calibration_error"), True),
    ("share of the most predicted class", _network("top_class_share"), True),
    ("loss of the probe", _network("probe_loss"), False),
)
"""What is compared: a name, its value after an epoch (None if not measured), and whether that is a
share of 0 to 1."""
