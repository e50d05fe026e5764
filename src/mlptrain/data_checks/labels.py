"""Labels that are probably wrong, from predictions of models that did not train on the images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlptrain.data_checks.image_list import ImageList, listing
from mlptrain.data_checks.thresholds import limit, severity_of
from mlptrain.finding import Finding
from mlptrain.formatting import quantity

_LEAST = 1e-6
"""Probability below which predictions count as equal; half precision ends there."""


@dataclass(frozen=True)
class HeldOut:
    """Predictions of images by runs that did not train on them.

    Attributes:
        positions: int (n,), of the images that have any.
        probabilities: float32 (n, classes), their means over the runs.
        runs: how many runs have predicted some of them.
    """

    positions: np.ndarray
    probabilities: np.ndarray
    runs: int


def find_mislabeled(images: ImageList, held_out: HeldOut) -> Iterator[Finding]:
    """Yield the finding about labels that are more probably wrong than the models are."""
    if not len(held_out.positions):
        return
    labels = images.labels[held_out.positions]
    doubt = wrong_label_probability(held_out.probabilities, labels)
    order = np.argsort(-doubt, kind="stable")
    suspects = [int(n) for n in order if doubt[n] >= limit("mislabeled")]
    if not suspects:
        return
    share = len(suspects) / len(labels)
    listed = []
    for number in suspects:
        predicted = int(held_out.probabilities[number].argmax())
        listed.append(
            {
                **images.entry(int(held_out.positions[number])),
                "predicted": images.class_names[predicted],
                "confidence": float(held_out.probabilities[number, predicted]),
                "probability": float(doubt[number]),
            }
        )
    verb, pronoun = ("has", "it") if len(suspects) == 1 else ("have", "them")
    yield Finding(
        "probably_mislabeled",
        severity_of(share),
        f"{len(suspects):,} of {len(labels):,} images {verb} a label that is more probably wrong "
        f"than the prediction of the {quantity(held_out.runs, 'run')} that did not train on "
        f"{pronoun}. Look at {pronoun}, and correct the label where it is wrong.",
        {"share": share, "judged": len(labels), "runs": held_out.runs, **listing("images", listed)},
    )


def wrong_label_probability(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each image the probability that its label is wrong, float (n,).

    A model's own mistakes become rare as its confidence grows; wrong labels do not. So agreement
    with the labels is fitted as a logistic curve over the log odds of the predicted class whose
    ceiling is the share of right labels (Copas, "Binary regression models for contaminated data",
    1988). Where a ceiling below 1 does not fit clearly better, nothing is in doubt; neither where
    the models are sure of few images, because most confident disagreements are then their own.

    Args:
        probabilities: float (n, classes), of models that have not seen the images.
        labels: integers (n,).
    """
    predicted = probabilities.argmax(axis=1)
    best = probabilities.max(axis=1).astype(float)
    rest = probabilities.sum(axis=1, dtype=float) - best
    odds = np.log(np.maximum(best, _LEAST)) - np.log(np.maximum(rest, _LEAST))
    agrees = predicted == labels
    classes = probabilities.shape[1]
    plain, _ = _fit(odds, agrees, classes, with_ceiling=False)
    contaminated, parameters = _fit(odds, agrees, classes, with_ceiling=True)
    right, wrong = _parts(parameters, odds)
    is_sure = (right >= limit("sure")).mean() >= limit("sure_share")
    if not is_sure or 2 * (plain - contaminated) < limit("evidence"):
        return np.zeros(len(labels))
    # The label is wrong, and is not what a mistaken model happens to predict.
    label_wrong = wrong * right + wrong * (1 - right) * (classes - 2) / (classes - 1)
    doubt = label_wrong / (label_wrong + (1 - wrong) * (1 - right) + 1e-300)
    return np.where(agrees, 0.0, doubt)


def _fit(
    odds: np.ndarray, agrees: np.ndarray, classes: int, *, with_ceiling: bool
) -> tuple[float, np.ndarray]:
    """Return the least negative log-likelihood, and its offset, slope and share of wrong labels."""
    from scipy.optimize import minimize

    def loss(parameters: np.ndarray) -> float:
        right, wrong = _parts(parameters, odds)
        agreement = (1 - wrong) * right + wrong * (1 - right) / (classes - 1)
        agreement = np.clip(agreement, 1e-9, 1 - 1e-9)
        return -float(np.log(np.where(agrees, agreement, 1 - agreement)).sum())

    starts = [0.01, 0.1] if with_ceiling else [0.0]
    highest = 0.5 if with_ceiling else 0.0
    bounds = [(-20, 20), (0, 20), (0, highest)]
    results = [minimize(loss, [0.0, 1.0, start], bounds=bounds) for start in starts]
    best = min(results, key=lambda result: float(result.fun))
    return float(best.fun), np.asarray(best.x)


def _parts(parameters: Sequence[float] | np.ndarray, odds: np.ndarray) -> tuple[np.ndarray, float]:
    """Return how probably the model is right about each image, and the share of wrong labels."""
    offset, slope, wrong = parameters
    return 1 / (1 + np.exp(-np.clip(offset + slope * odds, -40, 40))), float(wrong)
