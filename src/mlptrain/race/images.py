"""How much of a difference between configurations may come from the choice of validation images."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from mlptrain.reports.image_results import ImageResults
from mlptrain.store.runs import Run
from mlptrain.uncertainty import paired_difference


def image_variance(
    configurations: Sequence[Sequence[Run]], images: int, predicted: ImageResults
) -> tuple[np.ndarray, bool]:
    """Return the part of each difference's variance that more seeds would not shrink.

    Args:
        configurations: the runs of each, with the same seeds in the same order; a configuration
            without runs gets 0.
        images: number of validation images.
        predicted: reads which of them each run gets right.

    Returns:
        Variances of the differences of mean validation accuracy, float (configurations,
        configurations), and whether they all come from saved predictions. Where these are missing,
        it is the binomial bound.
    """
    stacks = (predicted.stack(runs, "validation") for runs in configurations)
    results = [r if r is not None and r.shape[1] == images else None for r in stacks]
    variances = np.zeros((len(results), len(results)))
    present = [row for row, runs in enumerate(configurations) if runs]
    for a, b in combinations(present, 2):
        both = results[a], results[b]
        one, other = ([run.metrics["val_accuracy"] for run in configurations[c]] for c in (a, b))
        pair = None if both[0] is None or both[1] is None else (both[0], both[1])
        variances[a, b] = paired_difference(one, other, pair, images).from_images
        variances[b, a] = variances[a, b]
    return variances, all(results[row] is not None for row in present)
