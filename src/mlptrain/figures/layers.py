"""What happened inside the net: one small map of layers and epochs for each measurement."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlptrain.figures.style import (
    DPI,
    QUIET,
    axes_in_inches,
    headline,
    new_figure,
    short_names,
    styled,
)
from mlptrain.formatting import percent

_PANELS: tuple[tuple[str, str, bool], ...] = (
    ("activation_sd", "SD of the activations", False),
    ("dead_share", "Dead units", True),
    ("saturated_share", "Saturated activations", True),
    ("gradient_norm", "Gradient norm", False),
    ("update_ratio", "Update ratio per step", False),
)
"""Column, title, and whether it is a share, which has a color scale from 0 to 100 %."""

_MOST_LAYERS = 24
_WIDTH, _NAMES_WIDTH = 8.0, 1.35
_TILE, _GAP = 66, 8
"""Pixels of a unit's weights, and between two units."""


def layers_figure(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Draw layers from top to bottom and epochs from left to right, a map for each measurement.

    Args:
        rows: of the layers in `layers.csv`; values may be None. Epoch 0 is the untrained net. Of
            more than 24 layers, evenly spaced ones are shown.
        title: the headline, usually the recipe.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("Expected rows of layers.csv, received none.")
    names = list(dict.fromkeys(str(row["layer"]) for row in rows))
    if len(names) > _MOST_LAYERS:
        places = np.linspace(0, len(names) - 1, _MOST_LAYERS).round().astype(int)
        names = [names[place] for place in places]
    epochs = sorted({int(row["epoch"]) for row in rows})
    height = max(0.55, 0.17 * len(names))
    with styled():
        figure = new_figure(_WIDTH, 1.15 + (height + 0.42) * len(_PANELS))
        note = "each layer from the untrained net (epoch 0) to the last epoch; white: not measured"
        headline(figure, title, note)
        for place, (column, heading, is_share) in enumerate(_PANELS):
            bottom = 0.5 + (height + 0.42) * (len(_PANELS) - 1 - place)
            axes = axes_in_inches(
                figure, _NAMES_WIDTH, bottom, _WIDTH - _NAMES_WIDTH - 0.75, height
            )
            values = _values(rows, names, epochs, column)
            shown = np.ma.masked_invalid(values)
            scale = _scale(values, is_share)
            axes.imshow(
                shown, aspect="auto", interpolation="nearest", cmap="viridis", norm=scale,
                extent=(-0.5, len(epochs) - 0.5, len(names) - 0.5, -0.5),
            )  # fmt: skip
            axes.set_title(heading, loc="left", fontsize=9.5, fontweight="bold", pad=3)
            axes.set_yticks(range(len(names)), short_names(names), fontsize=7.5)
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
            axes.xaxis.set_major_formatter(
                lambda x, _: str(epochs[int(x)]) if 0 <= x < len(epochs) and x == int(x) else ""
            )
            axes.tick_params(length=0)
            axes.tick_params(axis="x", labelbottom=place == len(_PANELS) - 1)
            for side in ("left", "bottom"):
                axes.spines[side].set_visible(False)
            _label_range(axes, scale, _whole_percent if is_share else "{:.2g}".format)
        axes.set_xlabel("epoch", labelpad=2)
    return figure


def _whole_percent(share: float) -> str:
    """Return a share as whole percent."""
    return percent(share, 0)


def _values(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], epochs: Sequence[int], column: str
) -> npt.NDArray[np.float64]:
    """Return a column as (layers, epochs), NaN where it was not measured."""
    values = np.full((len(names), len(epochs)), math.nan)
    row_of, column_of = ({key: n for n, key in enumerate(keys)} for keys in (names, epochs))
    for row in rows:
        value = row.get(column)
        if value is not None and str(row["layer"]) in row_of:
            values[row_of[str(row["layer"])], column_of[int(row["epoch"])]] = float(value)
    return values


def _scale(values: npt.NDArray[np.float64], is_share: bool) -> Normalize:
    """Return a scale from 0 to 1 for shares, else a logarithmic one over the positive values."""
    if is_share:
        return Normalize(0, 1)
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return Normalize(0, 1)
    low, high = float(positive.min()), float(positive.max())
    low = max(low, high / 1e6)  # zero and nearly zero look alike
    return LogNorm(low, high if high > low else 2 * low, clip=True)


def _label_range(axes: Any, norm: Normalize, text: Callable[[float], str]) -> None:
    """Write the ends of the color scale beside the map, with their colors."""
    from matplotlib import colormaps

    for y, value, shade in ((1.0, norm.vmax, 1.0), (0.0, norm.vmin, 0.0)):
        axes.annotate(
            text(float(value if value is not None else shade)), (1, y), (16, 0),
            xycoords="axes fraction", textcoords="offset points", fontsize=7.5, color=QUIET,
            va="top" if y else "bottom",
        )  # fmt: skip
        axes.annotate(
            "■", (1, y), (5, 0), xycoords="axes fraction", textcoords="offset points",
            fontsize=7.5, color=colormaps["viridis"](shade), va="top" if y else "bottom",
        )  # fmt: skip


def weights_figure(kernel: npt.NDArray[np.float32], side: int, title: str) -> Figure:
    """Draw what the units of the first layer look for, as color images, those of largest norm.

    Args:
        kernel: (side * side * 3, units), the first layer's; at most 64 units are shown.
        side: of what a unit sees, the image or a patch of it.
        title: the headline, usually the recipe.

    Raises:
        ValueError: the kernel does not fit that side.
    """
    if kernel.ndim != 2 or kernel.shape[0] != side * side * 3:
        raise ValueError(f"Expected a kernel of {side * side * 3} rows, received {kernel.shape}.")
    norms = np.linalg.norm(np.nan_to_num(kernel), axis=0)
    order = np.argsort(-norms, kind="stable")[:64]
    columns = min(16, len(order))
    lines = -(-len(order) // columns)
    pitch = _TILE + _GAP
    picture = np.ones((lines * pitch - _GAP, columns * pitch - _GAP, 3))
    pixels = np.arange(_TILE) * side // _TILE
    for place, unit in enumerate(order):
        y, x = (pitch * number for number in divmod(place, columns))
        weights = np.nan_to_num(kernel[:, unit]).reshape(side, side, 3)
        largest = float(np.quantile(np.abs(weights), 0.99)) or 1.0
        image = np.clip(0.5 + weights / (2 * largest), 0, 1)
        picture[y : y + _TILE, x : x + _TILE] = image[pixels][:, pixels]
    with styled():
        figure = new_figure(max(4.0, 0.5 + columns * pitch / DPI), 0.95 + lines * pitch / DPI)
        note = (
            f"the {len(order)} units of {kernel.shape[1]} with the largest weights; gray is zero, "
            "brighter a positive weight"
        )
        headline(figure, title, note)
        # One picture: axes for each unit would take longer to draw than a small net to train.
        figure.figimage(picture, xo=DPI // 4, yo=DPI // 7, origin="upper")
    return figure
