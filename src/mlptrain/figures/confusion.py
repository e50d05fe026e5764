"""The confusion matrix as a picture: counts, class names, recalls."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from mlptrain.figures.style import (
    DPI,
    FAINT,
    INK,
    QUIET,
    axes_in_inches,
    headline,
    new_figure,
    short_names,
    styled,
)
from mlptrain.formatting import percent, quantity
from mlptrain.scores import MANY_CLASSES

_MOST_LISTED = 25

RIGHT = LinearSegmentedColormap.from_list("right", ["#f1f7fc", "#5aa2d0", "#08457e"])
WRONG = LinearSegmentedColormap.from_list("wrong", ["#ffffff", "#fbc48b", "#d55e00"])


def confusion_matrix_figure(
    matrix: npt.ArrayLike, class_names: Sequence[str], title: str
) -> Figure:
    """Draw a confusion matrix with counts, and each class's recall at its right.

    The diagonal is blue, errors are orange; both grow darker with the share of the row. Errors
    have a scale of their own, up to the largest, since they are small beside the diagonal.

    Args:
        matrix: (k, k) whole numbers, of test images; rows are true classes, columns predicted ones.
        class_names: the k names, in the order of the rows.
        title: the headline; the accuracy follows it.
    """
    counts = np.asarray(matrix)
    size = len(class_names)
    total = int(counts.sum())
    accuracy = percent(float(np.trace(counts) / total)) if total else "no images"
    note = f"accuracy {accuracy} of {quantity(total, 'test image')}"
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    errors = share * (1 - np.eye(size))
    colors = WRONG(errors / max(float(errors.max()), 0.05))
    colors[np.diag_indices(size)] = RIGHT(np.diag(share))
    names = short_names(class_names)
    if size > MANY_CLASSES:  # a count in every cell would make a picture of 10,000 pixels
        with styled():
            return _large_figure(counts, colors, names, title, f"{note}, {size} classes")
    cell = 0.56 if size <= 12 else 0.46
    side = cell * max(size, 6)
    name_inches = 0.085 * max(len(name) for name in names)
    slanted = name_inches > 0.95 * side / size
    margin, bottom = name_inches + 0.65, 0.7 + (0.75 * name_inches if slanted else 0.25)
    with styled():
        figure = new_figure(margin + side + 1.55, bottom + side + 1.0, DPI if size <= 12 else 110)
        axes = axes_in_inches(figure, margin, bottom, side, side)
        headline(figure, title, note)
        axes.imshow(colors, interpolation="nearest", aspect="auto")
        _rule_between_cells(axes, size)
        axes.set_xlabel("predicted", labelpad=6)
        axes.set_ylabel("true", labelpad=6)
        axes.set_xticks(range(size), names)
        axes.set_yticks(range(size), names)
        axes.tick_params(length=0, labelsize=9, labelcolor=INK)
        if slanted:
            axes.tick_params(axis="x", labelrotation=40)
            for label in axes.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        digits = max(len(str(counts.max())), 3)
        font = min(10.0, 0.8 * 72 * side / size / (0.64 * digits))
        for row, column in np.ndindex(size, size):
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center_baseline",
                fontsize=font,
                fontweight="bold" if row == column else "normal",
                color=_legible(colors[row, column], faint=counts[row, column] == 0),
            )
        beside = axes_in_inches(figure, margin + side + 0.12, bottom, 1.2, side)
        _recalls(beside, counts, share, side)
        figure.text(
            margin / figure.get_figwidth(),
            0.16 / figure.get_figheight(),
            "blue: right, orange: wrong; darker: a larger share of the row",
            fontsize=8,
            color=QUIET,
        )
    return figure


def _large_figure(
    counts: npt.NDArray[np.int64],
    colors: npt.NDArray[np.float64],
    names: Sequence[str],
    title: str,
    note: str,
) -> Figure:
    """Draw many classes as colors alone, of a fixed size, with the most frequent confusions."""
    figure = new_figure(12.5, 9.0, DPI)
    axes = axes_in_inches(figure, 0.75, 0.75, 7.2, 7.2)
    headline(figure, title, note)
    axes.imshow(colors, interpolation="nearest", aspect="auto")
    axes.set_xlabel("number of the predicted class")
    axes.set_ylabel("number of the true class")
    wrong = counts * (1 - np.eye(len(names), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_LISTED]
    pairs = [np.unravel_index(place, wrong.shape) for place in order]
    lines = [
        f"{wrong[pair]:,}  {names[pair[0]]} as {names[pair[1]]}" for pair in pairs if wrong[pair]
    ]
    beside = axes_in_inches(figure, 8.3, 0.75, 4.0, 7.2)
    beside.axis("off")
    beside.set_title("most frequent confusions", loc="left", fontsize=9.5, color=QUIET, pad=4)
    for row, line in enumerate(lines):
        beside.text(0, 1 - (row + 0.5) / _MOST_LISTED, line, va="center", fontsize=9, color=INK)
    return figure


def _rule_between_cells(axes: Axes, size: int) -> None:
    """Separate the cells by white lines, without a frame."""
    edges = np.arange(size + 1) - 0.5
    axes.hlines(edges, -0.5, size - 0.5, color="white", lw=1.5)
    axes.vlines(edges, -0.5, size - 0.5, color="white", lw=1.5)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _legible(background: npt.NDArray[np.float64], faint: bool) -> str:
    """Return the text color for a cell of RGBA `background`; a zero stays in the back."""
    if faint:
        return "#b4bdc7"
    # Weights of relative luminance, ITU-R BT.709.
    return "white" if background[:3] @ (0.2126, 0.7152, 0.0722) < 0.52 else INK


def _recalls(
    axes: Axes, counts: npt.NDArray[np.int64], share: npt.NDArray[np.float64], inches: float
) -> None:
    """Draw one bar per row: the share of the class that was found."""
    size = len(counts)
    recall = np.diag(share)
    thickness = 0.13 * size / inches
    axes.barh(range(size), np.ones(size), height=thickness, color=FAINT)
    axes.barh(range(size), recall, height=thickness, color=RIGHT(recall))
    axes.set_xlim(0, 1.75)
    axes.set_ylim(size - 0.5, -0.5)
    axes.axis("off")
    axes.set_title("recall", loc="left", fontsize=9.5, color=QUIET, pad=4)
    for row in range(size):
        text = percent(recall[row], 0) if counts[row].sum() else "none"
        axes.text(1.1, row, text, va="center_baseline", fontsize=9)
