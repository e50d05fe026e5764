"""Scores of predicted classes, each defined once."""

import numpy as np

MANY_CLASSES = 40
"""Above this number a confusion matrix is too large to read, and top-5 accuracy is reported."""


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean F1 score over the classes that have images, as scikit-learn computes it.

    Args:
        labels: integers (n,), the true classes from 0 on.
        predicted: integers (n,), the predicted classes.
    """
    classes = 1 + max(labels.max(), predicted.max())
    images, predictions, hits = (
        np.bincount(values, minlength=classes)
        for values in (labels, predicted, labels[labels == predicted])
    )
    present = images > 0
    return float((2 * hits[present] / (images + predictions)[present]).mean())


def top5_accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the share of images whose class is among the five most probable ones.

    Args:
        labels: integers (n,), the true classes.
        probabilities: (n, classes).
    """
    of_label = np.take_along_axis(probabilities, labels[:, None].astype(np.intp), axis=1)
    return float(((probabilities > of_label).sum(axis=1) < 5).mean())
