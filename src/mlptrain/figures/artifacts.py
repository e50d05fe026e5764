"""The artifacts of a finished run: tables for programs, pictures for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlptrain.errors import ConfigError
from mlptrain.formatting import csv_text
from mlptrain.store import names
from mlptrain.store.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_classification(
    folder: RunFolder,
    labels: np.ndarray,
    predicted: np.ndarray,
    class_names: Sequence[str],
    top5: float | None = None,
) -> np.ndarray:
    """Write `classification_report.json` and `confusion_matrix.csv` of the test set.

    Args:
        folder: the run's.
        labels: uint8 (n,), the true classes.
        predicted: int (n,), the classes of the highest probability.
        class_names: of class 0, 1, …
        top5: the top-5 accuracy, where it is reported.

    Returns:
        The confusion matrix, int (classes, classes): rows true, columns predicted.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    classes = range(len(class_names))
    columns = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    table = np.stack(columns, axis=1)
    present = table[table[:, 3] > 0]  # macro averages are over the classes that have images
    rows = {
        "macro avg": [*present[:, :3].mean(axis=0), len(labels)],
        "weighted avg": [*np.average(present[:, :3], axis=0, weights=present[:, 3]), len(labels)],
        **dict(zip(class_names, table, strict=True)),
    }
    report: dict[str, Any] = {"accuracy": float((labels == predicted).mean())}
    if top5 is not None:
        report["top-5 accuracy"] = top5
    for name, row in rows.items():  # last: a class may be called accuracy
        report[name] = dict(
            zip(("precision", "recall", "f1-score", "support"), map(float, row), strict=True)
        )
    matrix = confusion_matrix(labels, predicted, labels=classes)
    folder.write_json(names.CLASSIFICATION_REPORT, report)
    folder.write_text(names.CONFUSION_MATRIX, csv_text([class_names, *matrix.tolist()]))
    return matrix


def write_picture(path: Path, figure: Figure) -> None:
    """Write a picture as PNG to the path that the user gave.

    Raises:
        ConfigError: the path cannot be written.
    """
    from mlptrain.figures import figure_png

    try:
        path.write_bytes(figure_png(figure))
    except OSError as error:
        raise ConfigError(
            "a file that can be written, for the picture",
            f"{path}: {error.strerror}",
            "choose another place, such as picture.png",
        ) from None


def write_pictures(
    folder: RunFolder,
    history: Sequence[Mapping[str, Any]],
    best_epoch: int,
    matrix: np.ndarray,
    class_names: Sequence[str],
    samples: tuple[np.ndarray, np.ndarray],
    title: str,
    conditions: Sequence[str],
) -> None:
    """Write the three pictures of a run folder.

    Args:
        folder: the run's.
        history: rows of history.csv.
        best_epoch: the epoch whose weights the run ended with.
        matrix: of `write_classification`.
        class_names: of class 0, 1, …
        samples: training images uint8 (16, 32, 32, 3) and labels (16,).
        title: the recipe in a line.
        conditions: see `learning_curves`.
    """
    from mlptrain.figures import confusion_matrix_figure, figure_png, learning_curves, sample_grid

    curves = learning_curves(history, best_epoch, title, conditions)
    folder.write_bytes(names.LEARNING_CURVES, figure_png(curves))
    confusion = confusion_matrix_figure(matrix, class_names, title)
    folder.write_bytes(names.CONFUSION_MATRIX_PICTURE, figure_png(confusion))
    grid = sample_grid(*samples, class_names)
    folder.write_bytes(names.SAMPLES, figure_png(grid))


def write_inside(
    folder: RunFolder, rows: Sequence[Mapping[str, Any]], kernel: np.ndarray, side: int, title: str
) -> None:
    """Write the pictures of what happened inside the net.

    Args:
        folder: the run's.
        rows: of the layers in `layers.csv`; none leave out the picture of the layers.
        kernel: of the first layer, (side * side * 3, units).
        side: of what a unit of the first layer sees, the image or a patch.
        title: the recipe in a line.
    """
    from mlptrain.figures import figure_png, layers_figure, weights_figure

    if rows:
        folder.write_bytes(names.LAYERS_PICTURE, figure_png(layers_figure(rows, title)))
    folder.write_bytes(names.WEIGHTS_PICTURE, figure_png(weights_figure(kernel, side, title)))
