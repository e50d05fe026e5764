"""The learning curves of one run: loss, accuracy and learning rate over the epochs."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mlptrain.figures.style import (
    QUIET,
    TRAIN,
    VALIDATION,
    axes_in_inches,
    headline,
    new_figure,
    styled,
)
from mlptrain.formatting import percent
from mlptrain.history import COLUMNS

MOST_MARKED_REDUCTIONS = 12
_PANEL = 2.29
"""Height in inches of a metric's panel, with the space above it."""


def learning_curves(
    history: Sequence[Mapping[str, Any]],
    best_epoch: int,
    title: str,
    conditions: Sequence[str] = (),
) -> Figure:
    """Draw loss, accuracy and learning rate over the epochs, one above the other.

    Args:
        history: one row per epoch, as in `history.csv`; `val_*` may be None or NaN.
        best_epoch: the epoch whose weights were saved; marked in every panel.
        title: the headline, usually the run's name.
        conditions: what made training metrics harder than those of validation, such as
            `dropout on`; they stand below the headline.

    Returns:
        A figure with axes for each metric and the learning rate; 1200x990 pixels as PNG.
    """
    epochs = _column(history, "epoch")
    best = int(np.flatnonzero(epochs == best_epoch)[0])
    rate = _column(history, "learning_rate")
    panels = [column for column in COLUMNS if column.better and not column.is_validation]
    validated = bool(np.isfinite(_column(history, f"val_{panels[0].key}")).any())
    with styled():
        figure = new_figure(8.0, 2.02 + _PANEL * len(panels))
        bottoms = [1.43 + _PANEL * place for place in range(len(panels))]
        upper = [axes_in_inches(figure, 0.8, bottom, 6.0, 1.95) for bottom in reversed(bottoms)]
        rates = axes_in_inches(figure, 0.8, 0.55, 6.0, 0.62)
        epoch_name = "best epoch" if validated else "saved epoch"
        color = VALIDATION if validated else TRAIN
        note = f"{epoch_name} {best_epoch} of {len(epochs)}"
        if conditions:
            note += f"; training is measured with {' and '.join(conditions)}"
        headline(figure, title, note, color)
        for axes in (*upper, rates):
            axes.set_xlim(0.5, epochs[-1] + 0.5)
            axes.xaxis.set_major_locator(
                MaxNLocator("auto", integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
            )
            axes.axvline(best_epoch, color=color, lw=1, alpha=0.4)
        for axes, panel in zip(upper, panels, strict=True):
            axes.grid(axis="y")
            axes.set_axisbelow(True)
            axes.tick_params(length=0)
            axes.tick_params(axis="x", labelbottom=False)
            axes.spines["left"].set_visible(False)
            title = panel.quantity.capitalize()
            axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", pad=4)
            for epoch in _reductions(epochs, rate):
                axes.axvline(epoch - 0.5, color="#9aa5b1", lw=0.9, ls=(0, (1, 2)))
            lines = [("training", _column(history, panel.key), TRAIN)]
            if validated:
                lines.append(("validation", _column(history, f"val_{panel.key}"), VALIDATION))
            _curves(axes, epochs, lines, best, percent if panel.is_fraction else "{:.3f}".format)
            if panel.is_fraction:
                axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g} %"))
        _learning_rate(rates, epochs, rate)
    return figure


def _column(history: Sequence[Mapping[str, Any]], key: str) -> npt.NDArray[np.float64]:
    """Return one column as (epochs,) float64, NaN where a value is missing or infinite."""
    values = [row.get(key) for row in history]
    column = np.array([math.nan if value is None else float(value) for value in values])
    return np.where(np.isfinite(column), column, math.nan)


def _curves(
    axes: Axes,
    epochs: npt.NDArray[np.float64],
    lines: Sequence[tuple[str, npt.NDArray[np.float64], str]],
    best: int,
    text: Callable[[float], str],
) -> None:
    """Draw (label, values, color) with the labels at the line ends, and the best epoch's dot."""
    marker = "o" if len(epochs) == 1 else ""
    for _, values, color in lines:
        axes.plot(epochs, values, color=color, marker=marker, ms=5)
    axes.margins(y=0.4 if len(epochs) == 1 else 0.15)
    low, high = axes.get_ylim()
    ends = [values[-1] if np.isfinite(values[-1]) else low for _, values, _ in lines]
    # Names closer than a line of text are pushed apart around their middle.
    apart = 0.1 * (high - low)
    if len(ends) == 2 and abs(ends[0] - ends[1]) < apart:
        middle, half = sum(ends) / 2, math.copysign(apart / 2, ends[0] - ends[1])
        ends = [middle + half, middle - half]
    for (label, _, color), end in zip(lines, ends, strict=True):
        at = (epochs[-1], end)
        axes.annotate(
            label, at, (10, 0), textcoords="offset points", va="center", color=color, weight="bold"
        )
    _, values, color = lines[-1]
    if not np.isfinite(values[best]):
        return
    x, y = epochs[best], values[best]
    axes.plot(x, y, "o", color=color, ms=7, mec="white", mew=1.4, zorder=5)
    below = len(lines) == 2 and lines[0][1][best] > y
    axes.annotate(
        text(y),
        (x, y),
        (0, -9 if below else 9),
        textcoords="offset points",
        ha="center",
        va="top" if below else "bottom",
        weight="bold",
        color=color,
        path_effects=[withStroke(linewidth=3, foreground="white")],
        zorder=6,
    )


def _reductions(epochs: npt.NDArray[np.float64], rate: npt.NDArray[np.float64]) -> list[float]:
    """Return the epochs that start with a lower rate; none for a schedule that keeps falling."""
    lower = [epochs[i + 1] for i, (a, b) in enumerate(pairwise(rate)) if b < a]
    return lower if len(lower) <= min(MOST_MARKED_REDUCTIONS, len(epochs) / 2) else []


def _learning_rate(
    axes: Axes, epochs: npt.NDArray[np.float64], rate: npt.NDArray[np.float64]
) -> None:
    """Draw the rate as a step line from zero, with its highest value and each reduced one."""
    axes.step(epochs, rate, where="mid", color=QUIET, lw=1.4)
    axes.hlines(rate[[0, -1]], epochs[[0, -1]] - 0.5, epochs[[0, -1]] + 0.5, color=QUIET, lw=1.4)
    top = float(np.nan_to_num(rate).max())
    axes.set_ylim(0, 1.25 * (top or 1.0))
    axes.set_yticks([0, top] if top else [0], ["0", f"{top:.3g}"] if top else ["0"])
    axes.tick_params(axis="y", length=0)
    axes.set_title("Learning rate", loc="left", fontsize=9, color=QUIET, pad=3)
    axes.set_xlabel("epoch", labelpad=2)
    for epoch in _reductions(epochs, rate):
        value = rate[np.flatnonzero(epochs == epoch)[0]]
        axes.annotate(
            f"{value:.3g}",
            (epoch - 0.5, value),
            (4, 3),
            textcoords="offset points",
            fontsize=8,
            color=QUIET,
        )
