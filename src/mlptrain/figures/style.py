"""What the pictures share: colors, fonts, placement, and the conversion to PNG.

Only matplotlib's object-oriented API is used. pyplot would keep every figure alive in global
state and choose a window system at import. Axes are placed in inches by hand, because the
automatic layouts draw each figure several times to find what is known beforehand.
"""

import io
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

INK, QUIET, FAINT = "#1f2933", "#6b7785", "#e4e8ec"
# Okabe and Ito's palette: distinguishable with every common color vision deficiency and in gray.
TRAIN, VALIDATION = "#0072b2", "#d55e00"

# Any: how the keys are typed depends on the version of matplotlib.
STYLE: Any = {
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so pictures look alike everywhere
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,  # a "$" in a class name is a dollar sign
    "axes.edgecolor": "#9aa5b1",
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": "#9aa5b1",
    "ytick.color": "#9aa5b1",
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}

DPI = 150
LONGEST_NAME = 16
_SMALLEST_TITLE = 8.5


def styled() -> AbstractContextManager[None]:
    """Return the context in which a figure is made and drawn; a user's matplotlibrc is kept out."""
    return mpl.rc_context(STYLE)


def new_figure(width: float, height: float, dpi: int = DPI) -> Figure:
    """Return an empty figure of that many inches, ready to be drawn as PNG."""
    figure = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(figure)
    return figure


def axes_in_inches(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Add axes of this size whose lower left corner is at x, y; all in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((x / across, y / up, width / across, height / up))


def headline(figure: Figure, title: str, note: str, note_color: str = QUIET) -> None:
    """Write the title at the top left, and the note below it."""
    across, up = figure.get_size_inches()
    x = 0.25 / across
    # 0.6 em is about the width of a bold letter: a long title shrinks, then takes a second line.
    room = 72 * (across - 0.5) / 0.6
    size = max(_SMALLEST_TITLE, min(13.0, room / max(len(title), 1)))
    lines = textwrap.wrap(title, int(room / size), max_lines=2, placeholder=" …")
    for line, text in enumerate(reversed(lines)):
        figure.text(x, 1 - (0.36 - 0.17 * line) / up, text, fontsize=size, fontweight="bold")
    figure.text(x, 1 - 0.60 / up, note, fontsize=9.5, color=note_color)


def short_names(class_names: Sequence[str]) -> list[str]:
    """Return names that fit beside a picture; `class 3` where the font lacks letters of one."""
    return [
        _short(name) if _letters().issuperset(map(ord, name)) else f"class {number}"
        for number, name in enumerate(class_names)
    ]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


@cache
def _letters() -> frozenset[int]:
    """Return the code points that the font can draw."""
    return frozenset(get_font(findfont(STYLE["font.family"])).get_charmap())


def figure_png(figure: Figure) -> bytes:
    """Return the figure as PNG; equal figures give equal bytes (no date, no version inside)."""
    buffer = io.BytesIO()
    # Ticks are made while drawing, so the style has to hold here too.
    with styled():
        FigureCanvasAgg(figure).print_png(
            buffer, metadata={"Software": None}, pil_kwargs={"compress_level": 4}
        )
    return buffer.getvalue()
