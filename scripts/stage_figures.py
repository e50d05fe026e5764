"""Pictures of a study: a stage by epoch, steps that build on each other, the splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mlptrain.figures.style import QUIET, axes_in_inches, headline, new_figure, styled

# Okabe and Ito's palette without yellow, which is lost on white.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1f2933")
DASHES = ("-", (0, (5, 1.5)))

_LEGEND = "bold: validation; thin: training; band: lowest to highest seed; figures: last epoch"

History = Sequence[Mapping[str, float | None]]


def stage_figure(title: str, note: str, lines: Mapping[str, Sequence[History]]) -> Figure:
    """Draw the mean over the seeds of validation (full) and training (faint) accuracy.

    Args:
        title: the headline, the stage's.
        note: a line below it, such as the study's question.
        lines: configuration → the history of each of its runs, rows as in `history.csv`. The
            band spans the lowest and the highest seed; the mean ends with the shortest run.

    Returns:
        A figure of 1350x720 pixels as PNG.
    """
    with styled():
        figure = new_figure(9.0, 4.8)
        headline(figure, title, note, QUIET)
        figure.text(0.25 / 9, 1 - 0.82 / 4.8, _LEGEND, fontsize=8, color=QUIET)
        axes = axes_in_inches(figure, 0.75, 0.55, 5.3, 3.35)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g} %"))
        axes.set_xlabel("epoch", labelpad=2)
        ends = []
        for index, (label, histories) in enumerate(lines.items()):
            color = COLORS[index % len(COLORS)]
            dash = DASHES[index // len(COLORS) % len(DASHES)]
            train, validation = (_stack(histories, key) for key in ("accuracy", "val_accuracy"))
            epochs = np.arange(1, validation.shape[1] + 1)
            axes.plot(epochs, train.mean(axis=0), color=color, lw=1, ls=dash, alpha=0.35)
            axes.fill_between(
                epochs, validation.min(axis=0), validation.max(axis=0), color=color, alpha=0.15,
                lw=0,
            )  # fmt: skip
            mean = validation.mean(axis=0)
            axes.plot(epochs, mean, color=color, ls=dash)
            ends.append((float(mean[-1]), f"{label}  {100 * mean[-1]:.1f} %", color))
        axes.margins(x=0.01)
        low, high = axes.get_ylim()
        _names(figure, ends, low, high)
    return figure


def _stack(histories: Sequence[History], key: str) -> np.ndarray:
    """(runs, epochs) of the shortest run's length; NaN where a figure is missing."""
    shortest = min(len(history) for history in histories)
    return np.array(
        [
            [np.nan if row[key] is None else row[key] for row in rows[:shortest]]
            for rows in histories
        ]
    )


def _names(figure: Figure, ends: Sequence[tuple[float, str, str]], low: float, high: float) -> None:
    """Names beside the lines' ends, pushed apart where they would overlap."""
    bottom, height, gap = 0.55 / 4.8, 3.35 / 4.8, 0.048
    ends = sorted(ends)
    places: list[float] = []
    for value, _, _ in ends:
        at = bottom + height * (value - low) / ((high - low) or 1)
        places.append(max(at, places[-1] + gap) if places else at)
    over = max(0.0, places[-1] - (bottom + height)) if places else 0.0
    for at, (_, label, color) in zip(places, ends, strict=True):
        figure.text(6.15 / 9, at - over, label, color=color, weight="bold", va="center", size=8.5)


def steps_figure(steps: Mapping[str, Mapping[int, float]]) -> Figure:
    """Draw configurations that build on each other, first on top: each run, and their mean.

    Args:
        steps: label → seed → validation accuracy as a fraction.

    Returns:
        A figure as PNG 1350 pixels wide and 75 pixels high for each step, and 180 more.
    """
    with styled():
        height = 1.2 + 0.5 * len(steps)
        figure = new_figure(9.0, height)
        headline(
            figure,
            "One ingredient at a time",
            "validation accuracy; dots: one seed each; bar and figure: their mean, points added",
            QUIET,
        )
        axes = axes_in_inches(figure, 3.2, 0.4, 4.2, height - 1.2)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(len(steps) - 0.5, -0.5)
        axes.set_yticks(range(len(steps)), list(steps))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g} %"))
        before = None
        for place, runs in enumerate(steps.values()):
            values = list(runs.values())
            mean = float(np.mean(values))
            axes.plot([mean, mean], [place - 0.3, place + 0.3], color=COLORS[1], lw=2)
            axes.plot(values, [place] * len(values), "o", color=COLORS[0], ms=5, alpha=0.7)
            added = "" if before is None else f"   {100 * (mean - before):+.1f}"
            y = 1 - (place + 0.5) / len(steps)
            axes.text(1.03, y, f"{100 * mean:.1f} %{added}", transform=axes.transAxes, va="center")
            before = mean
    return figure


def splits_figure(sizes: Mapping[str, int]) -> Figure:
    """The splits as one bar: how many images train, validate and test.

    Returns:
        A figure of 1350x300 pixels as PNG.
    """
    with styled():
        figure = new_figure(9.0, 2.0)
        total = sum(sizes.values())
        headline(figure, "The splits", f"{total:,} images; validation is the first part of train")
        axes = axes_in_inches(figure, 0.25, 0.25, 8.5, 0.8)
        axes.axis("off")
        start = 0
        for (split, size), color in zip(sizes.items(), COLORS, strict=False):
            axes.barh(0, size, left=start, color=color, height=1, ec="white", lw=2)
            axes.text(
                start + size / 2, 0, f"{split}\n{size:,}", color="white", ha="center", va="center",
                weight="bold", size=8,
            )  # fmt: skip
            start += size
        axes.set_xlim(0, total)
    return figure
