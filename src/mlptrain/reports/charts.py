"""The data of a report's charts, put into the Vega-Lite specifications of `charts.yaml`."""

from __future__ import annotations

import copy
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import yaml

from mlptrain.config.settings import short
from mlptrain.history import metrics

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colors; see `charts.yaml`."""

DASHES: tuple[tuple[int, ...], ...] = ((), (7, 3), (2, 2), (9, 3, 2, 3), (4, 4, 1, 4))

LINES_AT_FIRST = 6
"""As many as there are colors; the others are one click away."""

MOST_INTERVALS = 40

_LABEL = 44
"""Characters of a line beside the axis."""
_NAME = 120
"""Characters of a configuration's name in a tooltip."""


def look(line: int) -> tuple[str, tuple[int, ...]]:
    """Return color and dashes of a learning curve; both repeat after thirty."""
    return PALETTE[line % len(PALETTE)], DASHES[line // len(PALETTE) % len(DASHES)]


def interval_chart(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chart of each configuration's validation mean, interval, seeds and test mean."""
    shown = group["configurations"][:MOST_INTERVALS]
    rows = [
        {
            "i": i,
            **{key: _percent(c["validation"][key]) for key in ("mean", "low", "high", "sd")},
            "test": _percent(c["test"]["mean"] if c["test"] else None),
            "n": c["n"],
        }
        for i, c in enumerate(shown)
    ]
    seeds = [
        {"i": i, "seed": s["seed"], "value": _percent(s["validation"])}
        for i, c in enumerate(shown)
        for s in c["seeds"]
        if c["n"] > 1
    ]
    labels = [_wrapped(str(c["label"])) for c in shown]
    low, high, outside = _domain(rows, seeds)
    place = group["baseline"]
    has_line = 1 < len(rows) > place and place not in outside
    specifications = copy.deepcopy(_specifications())
    # The layers share one description of the axis.
    specifications["interval_axes"]["x"]["scale"]["domain"] = [low, high]
    return {
        **specifications["intervals"],
        "description": f"Validation accuracy of {len(rows)} configurations with 95 % intervals.",
        "height": (38 if any("\n" in label for label in labels) else 26) * len(rows),
        "params": [
            {"name": "labels", "value": labels},
            {"name": "names", "value": [_name(c) for c in shown]},
        ],
        "data": {"values": rows},
        "datasets": {
            "baseline": [rows[place]] if has_line else [],
            "seeds": seeds,
            "outside": [
                {"i": r["i"], "x": low if r["mean"] < low else high, "mean": r["mean"]}
                for r in rows
                if r["i"] in outside
            ],
        },
    }


def curves_chart(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chart of learning curves."""
    lines = group["curves"]["lines"]
    rows = []
    for number, line in enumerate(lines):
        for place, epoch in enumerate(line["epoch"]):
            point: dict[str, Any] = {"c": number, "e": epoch, "n": line["runs"][place]}
            for column in metrics():
                for part, ending in (("mean", ""), ("low", "_0"), ("high", "_1")):
                    value = line[column.key][part][place]
                    point[column.key + ending] = _percent(value) if column.is_fraction else value
            rows.append(point)
    every_line = list(range(len(lines)))
    colors, dashes = zip(*map(look, every_line), strict=True)
    specifications = copy.deepcopy(_specifications())
    scales = specifications["curve_scales"]  # shared by the layers
    scales["color"]["scale"] = {"domain": every_line, "range": colors}
    scales["dash"]["scale"] = {"domain": every_line, "range": [dash or (1, 0) for dash in dashes]}
    if max(len(line["epoch"]) for line in lines) < 3:
        # One epoch alone would be a line without length.
        specifications["curves"]["layer"][1]["mark"]["point"] = {"size": 40}
    return {
        **specifications["curves"],
        "description": "Learning curves: mean over seeds by epoch, with the range of the seeds.",
        "params": [
            {"name": "labels", "value": [_name(group["configurations"][line["configuration"]])
                                         for line in lines]},
            {"name": "off", "value": every_line[LINES_AT_FIRST:]},
            {"name": "lit", "value": -1},
            {"name": "metric", "value": metrics()[0].key},
        ],
        "data": {"values": rows},
    }  # fmt: skip


def read_template(name: str) -> str:
    """Return the text of a file in `templates`."""
    return (resources.files("mlptrain.reports") / "templates" / name).read_text(encoding="utf-8")


@cache
def _specifications() -> dict[str, Any]:
    return dict(yaml.safe_load(read_template("charts.yaml")))


def _domain(
    rows: Sequence[Mapping[str, Any]], seeds: Sequence[Mapping[str, Any]]
) -> tuple[float, float, set[int]]:
    """Return the limits of the axis and the rows outside it, which would squeeze all others.

    Outside is what lies beyond Tukey's fence: three interquartile ranges from the quartiles.
    """
    means = sorted(row["mean"] for row in rows)
    first, third = means[len(means) // 4], means[-1 - len(means) // 4]
    spread = 3 * max(third - first, 2.0)
    least, most = first - spread, third + spread
    outside = {row["i"] for row in rows if not least <= row["mean"] <= most}
    values = [
        min(max(value, least), most)
        for row in rows
        if row["i"] not in outside
        for value in (row["mean"], row["low"], row["high"], row["test"])
        if value is not None
    ]
    values += [s["value"] for s in seeds if s["i"] not in outside and least <= s["value"] <= most]
    span = max(values) - min(values)
    room = max(0.04 * span, 1.0 - span / 2)  # an axis of two points at least
    return min(values) - room, max(values) + room, outside


def _wrapped(label: str) -> str:
    """Return a label in at most two lines, broken between settings."""
    lines = textwrap.wrap(label, _LABEL, max_lines=2, placeholder=" …", break_on_hyphens=False)
    return "\n".join(lines) or label


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else round(100 * fraction, 4)


def _name(configuration: Mapping[str, Any]) -> str:
    return short(configuration["label"], _NAME)


def chart_specs(groups: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the specification of each chart by the id of its place in the page."""
    specs = {}
    for i, group in enumerate(groups):
        specs[f"intervals-{i}"] = interval_chart(group)
        if group["curves"]["lines"]:
            specs[f"curves-{i}"] = curves_chart(group)
    return specs
