"""What finished runs predict for images that they did not train on, image by image of a source."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from mlptrain.data.source_images import SourceImages
from mlptrain.data_checks.labels import HeldOut
from mlptrain.datasets import DataSettings
from mlptrain.errors import RunFolderError
from mlptrain.store.predictions import read_predictions
from mlptrain.store.runs import Run, find_runs

_MOST_RUNS = 20
_WORSE = 0.05
"""Validation accuracy below the best run's, down to which a run may judge labels."""
_CUTS = ("validation_fraction", "test_fraction", "limit", "split_seed")
"""Settings by which runs on the same images hold out other ones."""


def collect_held_out(root: Path, data: DataSettings, source: SourceImages) -> HeldOut:
    """Average the held-out predictions of the best runs on these images.

    Runs that cut the splits differently hold out different images, so that together they may judge
    more of them.

    Args:
        root: the output root whose runs are read; they may be untrusted.
        data: the data set.
        source: its images as the source has them.
    """
    labels = source.all_labels()
    total = np.zeros((len(labels), len(data.class_names())), np.float32)
    votes = np.zeros(len(labels), np.int64)
    runs = 0
    for run in _best_runs(root, data):
        is_used = False
        for split, positions in _positions(run, data, source).items():
            try:
                predictions = read_predictions(run, split)
            except RunFolderError:
                continue
            if predictions.probabilities.shape != (len(positions), total.shape[1]) or not (
                np.array_equal(predictions.labels, labels[positions])
            ):
                continue  # the file is of other images than its config says
            total[positions] += predictions.probabilities
            votes[positions] += 1
            is_used |= bool(len(positions))
        runs += is_used
    judged = np.flatnonzero(votes)
    return HeldOut(judged, total[judged] / votes[judged, None], runs)


def _best_runs(root: Path, data: DataSettings) -> Sequence[Run]:
    """Return the finished runs on the same images that are nearly as good as the best."""
    try:
        runs = find_runs([root]).runs
    except RunFolderError:
        return []
    scored = [
        (run.metrics["val_accuracy"], run)
        for run in runs
        if "val_accuracy" in run.metrics
        and (run.facts.data or {}).get("checksum") == data.checksum()
        and (run.facts.data or {}).get("name") == data.name
    ]
    scored.sort(key=lambda item: -item[0])
    return [run for score, run in scored if score >= scored[0][0] - _WORSE][:_MOST_RUNS]


def _positions(run: Run, data: DataSettings, source: SourceImages) -> dict[str, np.ndarray]:
    """Return the positions of a run's validation and test images; none where it is not known."""
    settings = run.facts.config.get("data")
    if not isinstance(settings, dict):
        return {}
    cuts = {key: settings[key] for key in _CUTS if key in settings and hasattr(data, key)}
    try:
        cut = type(data).model_validate({**data.model_dump(), **cuts})
        positions = cut.split_positions(source.labels)
    except (ValidationError, ValueError, IndexError):
        return {}
    return {split: positions[split] for split in ("validation", "test")}
