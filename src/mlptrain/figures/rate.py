"""Loss against learning rate, from a range test."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from mlptrain.figures.style import (
    FAINT,
    QUIET,
    TRAIN,
    VALIDATION,
    axes_in_inches,
    headline,
    new_figure,
    styled,
)
from mlptrain.formatting import rate_text


def rate_figure(
    rates: np.ndarray,
    losses: np.ndarray,
    smoothed: np.ndarray,
    suggested: float | None,
    current: float,
    title: str,
) -> Figure:
    """Draw the loss of each step and its smoothed curve, with the suggested rate.

    Args:
        rates: float (n,), ascending.
        losses: float (n,); those that are not finite are left out.
        smoothed: float (n,).
        suggested: the suggested rate; None where there is none.
        current: the rate in the config.
        title: the recipe in a line.

    Returns:
        A figure; 1200x690 pixels as PNG.
    """
    with styled():
        figure = new_figure(8.0, 4.6)
        axes = axes_in_inches(figure, 0.8, 0.65, 6.9, 2.95)
        note = "no rate suggested" if suggested is None else f"suggested {rate_text(suggested)}"
        headline(figure, title, note, QUIET if suggested is None else VALIDATION)
        axes.set_xscale("log")
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.plot(rates, np.where(np.isfinite(losses), losses, np.nan), ".", color=QUIET, ms=2.5)
        axes.plot(rates, smoothed, color=TRAIN)
        low, high = float(smoothed.min()), float(smoothed[0])
        axes.set_ylim(
            low - 0.15 * (high - low) - 0.02 * abs(low), high + 0.35 * (high - low) + 0.02
        )
        axes.set_xlim(rates[0], rates[-1])
        axes.axvline(current, color=FAINT, lw=1.8, zorder=0.5)
        if suggested is not None:
            axes.axvline(suggested, color=VALIDATION, lw=1.2)
            axes.plot(
                suggested, np.interp(suggested, rates, smoothed), "o",
                color=VALIDATION, ms=7, mec="white", mew=1.4, zorder=5,
            )  # fmt: skip
        # Each label is on the side of its line that is away from the other line.
        is_lower = suggested is not None and suggested < current
        for rate, text, color, level, is_before in (
            (current, f"config {rate_text(current)}", QUIET, 0.02, not is_lower),
            (suggested, f"suggested {rate_text(suggested)}", VALIDATION, 0.94, is_lower),
        ):
            if rate is not None and rates[0] <= rate <= rates[-1]:
                axes.annotate(
                    text, (rate, level), (-5 if is_before else 5, 0),
                    xycoords=("data", "axes fraction"), textcoords="offset points",
                    ha="right" if is_before else "left", color=color, weight="bold",
                )  # fmt: skip
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_title("Training loss", loc="left", fontsize=10.5, fontweight="bold", pad=4)
        axes.set_xlabel("learning rate")
    return figure
