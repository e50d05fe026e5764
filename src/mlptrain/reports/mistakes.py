"""What the best models get wrong: confusion matrices, and the most confident mistakes.

The files are untrusted. Images come from this machine's verified copy of the data set or
not at all: nothing is downloaded to draw a page.
"""

import io
from functools import cache
from typing import Any

import numpy as np

from mlptrain.datasets import DATASETS
from mlptrain.datasets.fixed_data import FixedData
from mlptrain.errors import DataError, RunFolderError
from mlptrain.reports.comparison import Configuration
from mlptrain.store import names
from mlptrain.store.confusion import read_confusion
from mlptrain.store.predictions import Predictions, read_predictions

MOST_PICTURES = 24


def confusion(configuration: Configuration) -> dict[str, Any]:
    """Add up the confusion matrices of a configuration's runs.

    Returns:
        `classes`, `matrix` (rows true, columns predicted), `runs` (how many), `worst` (the pairs
        most often confused: true, predicted, share of the true class), `top5` (mean top-5
        accuracy of the runs, None for few classes) and `notes` that say what was left out and why.
    """
    notes: list[str] = []
    classes: list[str] = []
    total: np.ndarray | None = None
    count = 0
    for run in configuration.runs:
        try:
            run_classes, matrix = read_confusion(run)
        except RunFolderError as error:
            notes.append(f"{run.path.name}: {error.received}")
            continue
        if total is not None and run_classes != classes:
            notes.append(f"{run.path.name}: other classes than the first run's")
            continue
        classes, count = run_classes, count + 1
        total = matrix if total is None else total + matrix
    if total is None:
        return {
            "classes": [], "matrix": [], "runs": 0, "worst": [], "top5": None, "notes": notes
        }  # fmt: skip
    top5 = [v for run in configuration.runs if (v := run.metrics.get("test_top5_accuracy"))]
    share = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    order = np.argsort(-share, axis=None, kind="stable")[:5]
    pairs = [divmod(int(place), len(classes)) for place in order]
    return {
        "classes": classes,
        "matrix": total.tolist(),
        "runs": count,
        "worst": [
            {"true": classes[i], "predicted": classes[j], "share": float(share[i, j])}
            for i, j in pairs
            if share[i, j] > 0
        ],
        "top5": float(np.mean(top5)) if top5 else None,
        "notes": notes,
    }


def mistakes(configuration: Configuration) -> dict[str, Any]:
    """Return the most confident mistakes on test images, on average over the seeds.

    Returns:
        `images`, each with `index` in the test set, `true`, `predicted`, `confidence` (mean
        probability of the wrong class), `true_probability` and `png` (bytes); `runs`, over how
        many the mean is taken; `wrong` of `of` images that the mean gets wrong; and `notes` that
        say what was left out and why.
    """
    result: dict[str, Any] = {"images": [], "runs": 0, "wrong": 0, "of": 0, "notes": []}
    data = configuration.runs[0].facts.data or {}
    schema = DATASETS.get(str(data.get("name")))
    if not schema or not issubclass(schema, FixedData) or schema.checksum() != data.get("checksum"):
        result["notes"].append("the runs' images are not those of a data set that mlptrain knows")
        return result
    test_set = load_test_images(schema)
    if isinstance(test_set, str):
        result["notes"].append(test_set)
        return result
    images, labels = test_set
    usable: list[Predictions] = []
    for run in configuration.runs:
        try:
            predictions = read_predictions(run)
            if predictions.probabilities.shape[1] != len(schema.classes):
                raise _wrong(names.PREDICTIONS, "probabilities of other classes")
            if not np.array_equal(predictions.labels, labels[: len(predictions.labels)]):
                raise _wrong(names.PREDICTIONS, "its labels are not those of the test images")
            if usable and len(usable[0].labels) != len(predictions.labels):
                raise _wrong(names.PREDICTIONS, "another number of images than the first run's")
        except RunFolderError as error:
            result["notes"].append(f"{run.path.name}: {error.received}")
        else:
            usable.append(predictions)
    if not usable:
        return result
    mean = np.mean([p.probabilities for p in usable], axis=0)
    true = usable[0].labels.astype(np.intp)
    predicted = mean.argmax(axis=1)
    sure = np.where(predicted == true, -1.0, mean.max(axis=1))
    order = [int(i) for i in np.argsort(-sure, kind="stable")[:MOST_PICTURES] if sure[i] >= 0]
    return result | {
        "runs": len(usable),
        "wrong": int(np.count_nonzero(predicted != true)),
        "of": len(true),
        "images": [
            {
                "index": i,
                "true": schema.classes[true[i]],
                "predicted": schema.classes[predicted[i]],
                "confidence": float(mean[i, predicted[i]]),
                "true_probability": float(mean[i, true[i]]),
                "png": _png(images[i]),
            }
            for i in order
        ],
    }


@cache
def load_test_images(schema: type[FixedData]) -> tuple[np.ndarray, np.ndarray] | str:
    """Return test images and labels of this machine's copy, or why there are none."""
    try:
        arrays = schema.read_local_copy()
    except DataError as error:
        return (
            f"the images are not shown: {error.received[:300]} (mlptrain data fetch gets CIFAR-10)"
        )
    return arrays.test_images.copy(), arrays.test_labels.copy()


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _wrong(name: str, reason: str) -> RunFolderError:
    return RunFolderError(f"{name} as mlptrain writes it", f"{name}: {reason}", "leave it out")
