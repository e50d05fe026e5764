"""What a report's charts show: places on the axis of intervals, and the lines of learning curves.

The page draws intervals in percent of its width, without a script, at any size. Its script draws
the curves, since the reader chooses their metric and lines.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlptrain.config.settings import short
from mlptrain.formatting import quantity
from mlptrain.history import metrics

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colors, which people with any common color blindness can distinguish (Wong 2011,
Nature Methods 8:441)."""

DASHES = ("", "7 3", "2 2", "9 3 2 3", "4 4 1 4")

LINES_AT_FIRST = len(PALETTE)
"""The other lines are one click away."""

MOST_INTERVALS = 40

_MOST_SEEDS = 12
"""Seeds that a tooltip lists."""
_STEPS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_MOST_TICKS = 10


def look(line: int) -> tuple[str, str]:
    """Return color and dashes of a learning curve; both repeat after thirty."""
    return PALETTE[line % len(PALETTE)], DASHES[line // len(PALETTE) % len(DASHES)]


def interval_chart(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chart of each configuration's validation mean, interval, seeds and test mean.

    Returns:
        `ticks` (`at`, `text`), the place of the `baseline` (None without a line) and `rows`: each
        with `label`, `tooltip`, `seeds`, and the places of `low`, `high`, `test` and `mean`, None
        where they are missing; a mean outside the axis is `beyond` instead, as text at its `side`.
        Places are percent of the axis.
    """
    shown = group["configurations"][:MOST_INTERVALS]
    low, high, outside = _domain(shown)

    def place(fraction: float | None) -> float | None:
        if fraction is None:
            return None
        at = 100 * (100 * fraction - low) / (high - low)
        return round(at, 2) if 0 <= at <= 100 else None

    def row(configuration: Mapping[str, Any], is_outside: bool) -> dict[str, Any]:
        validation, test = configuration["validation"], configuration["test"]
        is_below = 100 * validation["mean"] < low
        value = f"{100 * validation['mean']:.1f}"
        several = configuration["n"] > 1
        ends = [validation["low"], validation["high"]]
        if None not in ends:  # what is left of an interval that leaves the axis
            ends = [min(max(end, low / 100), high / 100) for end in ends]
        return {
            "label": configuration["label"],
            "tooltip": _tooltip(configuration),
            "mean": None if is_outside else place(validation["mean"]),
            "low": None if is_outside else place(ends[0]),
            "high": None if is_outside else place(ends[1]),
            "test": place(test["mean"]) if test else None,
            "seeds": [
                at
                for seed in configuration["seeds"]
                if several and (at := place(seed["validation"])) is not None
            ],
            "beyond": (f"◂ {value}" if is_below else f"{value} ▸") if is_outside else None,
            "side": "left" if is_below else "right",
        }

    step = next((s for s in _STEPS if (high - low) / s <= _MOST_TICKS), _STEPS[-1])
    ticks = [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    base = group["baseline"]
    has_line = 1 < len(shown) > base and base not in outside
    return {
        "ticks": [{"at": place(tick / 100), "text": f"{tick:g}"} for tick in ticks],
        "baseline": place(shown[base]["validation"]["mean"]) if has_line else None,
        "rows": [row(c, i in outside) for i, c in enumerate(shown)],
    }


def charts_of_lines(data: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the lines by epoch that the page's script draws: id of the chart → its lines.

    Returns:
        For each line `name`, `color`, `dashes`, `epoch`, `runs` and for each metric its `mean`,
        `low` and `high`, fractions in percent; without `low` and `high` where one run is all.
    """
    charts: dict[str, list[dict[str, Any]]] = {}
    of_history = {column.key: column.is_fraction for column in metrics()}
    for g, group in enumerate(data["groups"]):
        charts[f"curves-{g}"] = [
            _chart_line(
                number, group["configurations"][line["configuration"]]["label"], line, of_history
            )
            for number, line in enumerate(group["curves"]["lines"])
        ]
    for s, sweep in enumerate(sweep for sweep in data["sweeps"] if sweep["stages"]):
        for t, inside in enumerate(stage["inside"] for stage in sweep["stages"]):
            if inside is not None:
                shares = {entry["name"]: entry["is_share"] for entry in inside["quantities"]}
                charts[f"inside-{s}-{t}"] = [
                    _chart_line(number, line["label"], line, shares)
                    for number, line in enumerate(inside["lines"])
                ]
    return charts


def _chart_line(
    number: int, label: str, line: Mapping[str, Any], is_fraction: Mapping[str, bool]
) -> dict[str, Any]:
    """Return one line; `is_fraction` says for each metric whether it is shown in percent."""
    color, dashes = look(number)
    parts = ("mean", "low", "high") if max(line["runs"], default=0) > 1 else ("mean",)
    values = {
        metric: {
            part: [
                round(100 * value, 3) if fraction and value is not None else value
                for value in line[metric][part]
            ]
            for part in parts
        }
        for metric, fraction in is_fraction.items()
    }
    look_and_epochs = {"color": color, "dashes": dashes, "epoch": line["epoch"]}
    return {"name": short(label, 120), **look_and_epochs, "runs": line["runs"], **values}


def _domain(configurations: Sequence[Mapping[str, Any]]) -> tuple[float, float, set[int]]:
    """Return the limits of the axis in percent, and the rows outside it.

    They would squeeze all others. Outside is what lies beyond Tukey's fence: three interquartile
    ranges from the quartiles.
    """
    means = sorted(100 * c["validation"]["mean"] for c in configurations)
    first, third = means[len(means) // 4], means[-1 - len(means) // 4]
    spread = 3 * max(third - first, 2.0)
    least, most = first - spread, third + spread
    outside, values = set(), []
    for i, c in enumerate(configurations):
        if not least <= 100 * c["validation"]["mean"] <= most:
            outside.add(i)
            continue
        figures = [c["validation"][key] for key in ("mean", "low", "high")]
        figures += [c["test"]["mean"]] if c["test"] else []
        values += [min(max(100 * f, least), most) for f in figures if f is not None]
        seeds = [100 * s["validation"] for s in c["seeds"] if s["validation"] is not None]
        values += [value for value in seeds if least <= value <= most]
    span = max(values) - min(values)
    room = max(0.04 * span, 1.0 - span / 2)  # an axis of two points at least
    return min(values) - room, max(values) + room, outside


def _tooltip(configuration: Mapping[str, Any]) -> str:
    """Return the figures of a row, a line for each."""
    validation, test, n = (configuration[key] for key in ("validation", "test", "n"))
    lines = [short(configuration["label"], 120), f"validation {100 * validation['mean']:.2f} %"]
    if validation["low"] is not None:
        ends = f"{100 * validation['low']:.2f} to {100 * validation['high']:.2f} %"
        lines.append(f"95 % interval {ends}")
    if validation["sd"] is not None:
        lines.append(f"SD over {quantity(n, 'seed')} {100 * validation['sd']:.2f} points")
        seeds = [
            f"seed {s['seed']}: {100 * s['validation']:.2f} %"
            for s in configuration["seeds"]
            if s["validation"] is not None
        ]
        lines += seeds[:_MOST_SEEDS] + ["…"] * (len(seeds) > _MOST_SEEDS)
    if test and test["mean"] is not None:
        lines.append(f"test {100 * test['mean']:.2f} %")
    return "\n".join(lines)
