"""How good class probabilities are: their accuracy and their calibration."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlptrain.reports.statistics import accuracy_interval

BINS = 15


@dataclass(frozen=True)
class Scores:
    """Figures of one classifier on some images.

    Attributes:
        accuracy: from 0 to 1.
        accuracy_low: lower end of its 95 % interval; see `accuracy_interval`.
        accuracy_high: upper end.
        loss: mean cross-entropy.
        macro_f1: mean over the classes that have images.
        calibration_error: expected calibration error; see `score`.
        bins: of the reliability picture: (mean confidence, accuracy, images), empty ones left out.
        by_class: (images, precision, recall, F1) of each class.
    """

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    loss: float
    macro_f1: float
    calibration_error: float
    bins: list[tuple[float, float, int]]
    by_class: list[tuple[int, float, float, float]]

    def record(self) -> dict[str, Any]:
        """Return the scores as plain data."""
        keys = ("accuracy", "accuracy_low", "accuracy_high", "loss", "macro_f1")
        return {key: getattr(self, key) for key in (*keys, "calibration_error")} | {
            "reliability": [
                {"confidence": confidence, "accuracy": accuracy, "images": images}
                for confidence, accuracy, images in self.bins
            ]
        }


def score(probabilities: np.ndarray, labels: np.ndarray) -> Scores:
    """Score probabilities (n, classes) against labels (n,).

    Expected calibration error (Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017): images are
    put into 15 bins of equal width by the probability of their predicted class; the mean of
    |accuracy - mean probability| over the bins, weighted by their images.
    """
    from sklearn.metrics import precision_recall_fscore_support

    p = probabilities.astype(np.float64)
    predicted, confidence = p.argmax(axis=1), p.max(axis=1)
    right = predicted == labels
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = [
        (float(confidence[members].mean()), float(right[members].mean()), int(members.sum()))
        for number in range(BINS)
        if (members := place == number).any()
    ]
    n = len(labels)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=range(p.shape[1]), zero_division=0
    )
    accuracy = float(right.mean())
    low, high = accuracy_interval(accuracy, n)
    return Scores(
        accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        # Summed exactly: the figure must not depend on the order of the images.
        loss=-math.fsum(np.log(np.maximum(p[np.arange(n), labels], 1e-7))) / n,
        macro_f1=float(f1[support > 0].mean()),
        calibration_error=sum(count * abs(a - c) for c, a, count in bins) / n,
        bins=bins,
        by_class=[
            (int(s), float(a), float(b), float(f))
            for s, a, b, f in zip(support, precision, recall, f1, strict=True)
        ],
    )
