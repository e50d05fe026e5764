"""What is known of accuracies and differences: over seeds, images and splits of runs on disk."""

from collections.abc import Mapping, Sequence

import numpy as np

from mlptrain.reports.image_results import ImageResults, image_count
from mlptrain.reports.statistics import difference
from mlptrain.store.runs import SPLITS, Block, Run
from mlptrain.uncertainty import Estimate, accuracy, over_splits


def difference_of(
    baseline: Sequence[Run], other: Sequence[Run], results: ImageResults
) -> tuple[Estimate, bool]:
    """Estimate other minus baseline on validation; see `statistics.difference`."""
    groups = [{run.block: run for run in runs} for runs in (baseline, other)]

    def stack(*blocks: Sequence[Block]) -> np.ndarray | None:
        runs = [group[b] for group, chosen in zip(groups, blocks, strict=True) for b in chosen]
        return results.stack(runs, "validation")

    images = image_count([*baseline, *other], "validation")
    first, second = (
        {block: run.metrics["val_accuracy"] for block, run in group.items()} for group in groups
    )
    estimate, is_paired = difference(first, second, stack, images)
    if is_paired:
        gains = {block: second[block] - first[block] for block in first if block in second}
        estimate = _over_splits(estimate, gains, baseline, "validation")
    return estimate, is_paired


def accuracy_of(runs: Sequence[Run], split: str, results: ImageResults) -> Estimate:
    """Estimate the accuracy of a configuration's runs on one split."""
    values = {run.block: run.metrics[SPLITS[split]] for run in runs}
    means = list(values.values())
    if split == "train":  # the images that it has learned: there are no new ones
        estimate = accuracy(means)
    else:
        known = results.stack(runs, split) if len(runs) > 1 else None
        estimate = accuracy(means, known, image_count(runs, split))
    return _over_splits(estimate, values, runs, split)


def _over_splits(
    estimate: Estimate, values: Mapping[Block, float], runs: Sequence[Run], split: str
) -> Estimate:
    train, held_out = (image_count(runs, part) for part in ("train", "validation"))
    if len({block[0] for block in values}) < 2 or not train or not held_out:
        return estimate
    return over_splits(estimate, values, held_out / train, split != "test")
