"""Vega-Lite specifications of a report's charts, written by hand as plain dicts.

Colors are Okabe and Ito's, which people with any common color blindness can distinguish
(Wong 2011, Nature Methods 8:441). `INK` stands for the color of text: the page's style sheet
replaces it, and all of Vega's greys, so that dark mode needs no second drawing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from mlptrain.config.settings import short
from mlptrain.history import metrics

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[tuple[int, ...], ...] = ((), (7, 3), (2, 2), (9, 3, 2, 3), (4, 4, 1, 4))
INK = "#111111"

LINES_AT_FIRST = 6
"""As many as there are colors; the others are one click away."""

MOST_INTERVALS = 40

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
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
    lines = "split(labels[datum.value], '\\n')"
    y = {
        "field": "i",
        "type": "ordinal",
        "axis": {
            "labelExpr": lines,
            "labelLimit": 300,
            "title": None,
            "grid": False,
            "ticks": False,
            "domain": False,
            "labelPadding": 10,
            "labelLineHeight": 14,
            # Vega centres the first line of two; this puts the row between them.
            "labelBaseline": {
                "condition": {"test": f"length({lines}) > 1", "value": "bottom"},
                "value": "middle",
            },
        },
    }
    low, high, outside = _domain(rows, seeds)
    x: dict[str, Any] = {
        "type": "quantitative",
        "scale": {"domain": [low, high], "nice": False},
        "axis": {"title": "accuracy, %", "tickCount": 8},
    }
    tooltip = [
        {"field": "name", "title": "configuration"},
        {"field": "mean", "title": "validation, %", "format": ".2f"},
        {"field": "low", "title": "interval from", "format": ".2f"},
        {"field": "high", "title": "to", "format": ".2f"},
        {"field": "sd", "title": "SD over seeds", "format": ".2f"},
        {"field": "n", "title": "seeds"},
        {"field": "test", "title": "test, %", "format": ".2f"},
    ]
    outside_rows = [
        {"i": r["i"], "x": low if r["mean"] < low else high, "mean": r["mean"]}
        for r in rows
        if r["i"] in outside
    ]
    left_of_axis, value = "datum.mean < datum.x", "format(datum.mean, '.1f')"
    marked_value = f"{left_of_axis} ? '◂ ' + {value} : {value} + ' ▸'"
    baseline = rows[group["baseline"]]["mean"] if group["baseline"] < len(rows) else None
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "size": 2.5, "color": PALETTE[0], "clip": True},
            "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}, "tooltip": tooltip},
        },
        {
            "data": {"values": seeds},
            "mark": {
                **{"type": "tick", "thickness": 1.5, "size": 13},
                **{"color": INK, "opacity": 0.45, "clip": True},
            },
            "encoding": {
                "x": {"field": "value", **x},
                "tooltip": [
                    {"field": "seed", "title": "seed"},
                    {"field": "value", "title": "validation, %", "format": ".2f"},
                ],
            },
        },
        {
            "transform": [{"filter": "isValid(datum.test)"}],
            "mark": {
                **{"type": "point", "shape": "diamond", "size": 65, "strokeWidth": 1.8},
                **{"color": PALETTE[1], "filled": False, "clip": True},
            },
            "encoding": {"x": {"field": "test", **x}, "tooltip": tooltip},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1, "clip": True},
            "encoding": {
                "x": {"field": "mean", **x},
                "color": {"value": PALETTE[0]},
                "tooltip": tooltip,
            },
        },
    ]
    if outside_rows:
        layers.append(
            {
                "data": {"values": outside_rows},
                "transform": [{"calculate": marked_value, "as": "value"}],
                "mark": {
                    "type": "text",
                    "align": {"expr": f"{left_of_axis} ? 'left' : 'right'"},
                    "dx": {"expr": f"{left_of_axis} ? 6 : -6"},
                    "fontSize": 12,
                },
                "encoding": {"x": {"field": "x", **x}, "text": {"field": "value"}},
            }
        )
    if baseline is not None and len(rows) > 1 and group["baseline"] not in outside:
        layers.insert(
            0,
            {
                "data": {"values": [{"x": baseline}]},
                "mark": {"type": "rule", "strokeDash": [3, 3], "color": INK, "opacity": 0.5},
                "encoding": {"x": {"field": "x", **x}, "y": None},
            },
        )
    for layer in layers:
        layer["encoding"].setdefault("y", y)
        if layer["encoding"]["y"] is None:
            del layer["encoding"]["y"]
    return {
        **_base(f"Validation accuracy of {len(rows)} configurations with 95 % intervals."),
        "height": (38 if any("\n" in label for label in labels) else 26) * len(rows),
        "params": [
            {"name": "labels", "value": labels},
            {"name": "names", "value": [_name(c) for c in shown]},
        ],
        "data": {"values": rows},
        "transform": [{"calculate": "names[datum.i]", "as": "name"}],
        "layer": layers,
    }


def curves_chart(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chart of learning curves.

    The page's legend sets `off` and `lit`, its list sets `metric`.
    """
    lines = group["curves"]["lines"]
    names = [_name(group["configurations"][line["configuration"]]) for line in lines]
    rows = []
    for number, line in enumerate(lines):
        for place, epoch in enumerate(line["epoch"]):
            point: dict[str, Any] = {"c": number, "e": epoch, "n": line["runs"][place]}
            for column in metrics():
                for part, ending in (("mean", ""), ("low", "_0"), ("high", "_1")):
                    value = line[column.key][part][place]
                    point[column.key + ending] = _percent(value) if column.is_fraction else value
            rows.append(point)
    longest = max(len(line["epoch"]) for line in lines)
    looks = [look(number) for number in range(len(lines))]
    every_line = list(range(len(lines)))
    by_line = {"field": "c", "type": "nominal", "legend": None}
    colors, dashes = [color for color, _ in looks], [list(dash) or [1, 0] for _, dash in looks]
    color = {**by_line, "scale": {"domain": every_line, "range": colors}}
    dash = {**by_line, "scale": {"domain": every_line, "range": dashes}}
    x = {
        "field": "e",
        "type": "quantitative",
        "scale": {"nice": False, "zero": False},
        "axis": {"title": "epoch", "tickMinStep": 1, "format": "d", "grid": False},
    }
    y = {"field": "y", "type": "quantitative", "scale": {"zero": False}, "axis": {"title": None}}
    other_is_lit = {"test": "lit >= 0 && lit != datum.c"}
    # Spelled out: for marks that are found by nearness, Vega-Lite 6 looks for a field that has no
    # format in the wrong object.
    row = "(datum.datum || datum)"
    figures = {"mean": "y", "lowest": "low", "highest": "high"}
    entries = [
        f"configuration: {row}.name",
        f"epoch: {row}.e",
        *(f"{name}: format({row}.{field}, '.4~g')" for name, field in figures.items()),
        f"seeds: {row}.n",
    ]
    tooltip = {"value": {"expr": f"{{{', '.join(entries)}}}"}}
    on_hover = {"param": "hover", "empty": False}
    hover = {"type": "point", "on": "pointerover", "clear": "pointerout", "nearest": True}
    return {
        **_base("Learning curves: mean over seeds by epoch, with the range of the seeds."),
        "height": 340,
        "params": [
            {"name": "labels", "value": names},
            {"name": "off", "value": every_line[LINES_AT_FIRST:]},
            {"name": "lit", "value": -1},
            {"name": "metric", "value": metrics()[0].key},
        ],
        "data": {"values": rows},
        "transform": [
            {"filter": "indexof(off, datum.c) < 0"},
            {"calculate": "datum[metric]", "as": "y"},
            {"calculate": "datum[metric + '_0']", "as": "low"},
            {"calculate": "datum[metric + '_1']", "as": "high"},
            {"calculate": "labels[datum.c]", "as": "name"},
            {"filter": "isValid(datum.y)"},
        ],
        "layer": [
            {
                "mark": {"type": "area"},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "color": color,
                    "opacity": {"condition": {**other_is_lit, "value": 0.02}, "value": 0.13},
                },
            },
            {
                "mark": {
                    "type": "line",
                    "strokeWidth": 2,
                    "strokeJoin": "round",
                    # One epoch alone would be a line without length.
                    "point": {"size": 40} if longest < 3 else False,
                },
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": color,
                    "strokeDash": dash,
                    "opacity": {"condition": {**other_is_lit, "value": 0.12}, "value": 1},
                },
            },
            {
                "params": [{"name": "hover", "select": hover}],
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": color,
                    "opacity": {"condition": {**on_hover, "value": 1}, "value": 0},
                    "tooltip": tooltip,
                },
            },
        ],
    }


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


def _base(description: str) -> dict[str, Any]:
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
    return {
        "$schema": _SCHEMA,
        "description": description,
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": {
            "font": font,
            "background": None,
            "view": {"stroke": None},
            "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
        },
    }


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
