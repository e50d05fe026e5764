"""The page: one HTML file from a report's data, which needs no network and allows none.

The content security policy of the page lets no script run but its own, by its hash, and nothing
be loaded from anywhere: should a text from a run folder ever get past Jinja's escaping,
it still would be text.
"""

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from mlptrain.config.settings import short
from mlptrain.findings.differences import QUANTITIES
from mlptrain.formatting import BLANK, p_value, percent
from mlptrain.reports.charts import (
    LINES_AT_FIRST,
    MOST_INTERVALS,
    charts_of_lines,
    interval_chart,
)
from mlptrain.reports.curves import curve_names

_MINUS = "−"  # noqa: RUF001


def render(data: Mapping[str, Any]) -> str:
    """Return the page as text; `data` is that of `report.report_data`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    templates = resources.files("mlptrain.reports") / "templates"
    script = (templates / "report.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("mlptrain.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        # The unit is in the heading.
        "percent": lambda fraction, digits=2: percent(fraction, digits, unit=""),
        "points": points,
        "p_value": p_value,
        "short": short,
    }
    return environment.get_template("report.html.j2").render(
        data,
        intervals=[interval_chart(group) for group in data["groups"]],
        charts=charts_of_lines(data),
        curve_names=curve_names(),
        quantity_names={name: name + ", %" * share for name, _, share in QUANTITIES},
        lines_at_first=LINES_AT_FIRST,
        most_intervals=MOST_INTERVALS,
        # Ours: not a word from a run folder in them.
        style=Markup((templates / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=_hash(script),
        with_share=_with_share,
    )


def points(difference: float | None, digits: int = 2) -> str:
    """Format -0.0123 as `−1.23` and 0.01 as `+1.00`."""  # noqa: RUF002
    if difference is None:
        return BLANK
    return f"{100 * difference:+.{digits}f}".replace("-", _MINUS)


def _with_share(matrix: list[list[int]]) -> list[list[tuple[int, float]]]:
    """Return the counts with their share of the row."""
    return [[(n, n / max(1, sum(row))) for n in row] for row in matrix]


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
