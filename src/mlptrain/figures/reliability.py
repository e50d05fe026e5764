"""The reliability diagram: how often predictions of each confidence are right."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mlptrain.figures.style import QUIET, VALIDATION, axes_in_inches, headline, new_figure, styled
from mlptrain.formatting import percent


def reliability_figure(
    bins: Sequence[tuple[float, float, int]], calibration_error: float, title: str
) -> Figure:
    """Draw accuracy against confidence; a well-calibrated model lies on the diagonal.

    Args:
        bins: (mean confidence, accuracy, images) of each.
        calibration_error: expected calibration error, for the note below the headline.
        title: the headline; of a long one, its end.

    Returns:
        A figure of 750x780 pixels as PNG.
    """
    with styled():
        figure = new_figure(5.0, 5.2)
        note = f"expected calibration error {percent(calibration_error)}"
        headline(figure, title[-60:], note, VALIDATION)
        axes = axes_in_inches(figure, 0.7, 0.6, 4.0, 3.7)
        axes.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=(0, (4, 3)))
        confidence, accuracy, images = zip(*bins, strict=True)
        area = 12 + 300 * np.array(images) / max(images)
        axes.plot(confidence, accuracy, color=VALIDATION, lw=1.2)
        axes.scatter(confidence, accuracy, s=area, color=VALIDATION, alpha=0.6, lw=0)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("probability of the predicted class")
        axes.set_ylabel("share that is right")
        axes.text(0.03, 0.95, "area: number of images", color=QUIET, size=8)
    return figure
