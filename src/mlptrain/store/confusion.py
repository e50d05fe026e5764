"""`confusion_matrix.csv` of a run, read without trusting it."""

import csv
import io

import numpy as np

from mlptrain.datasets import MOST_CLASSES
from mlptrain.errors import RunFolderError
from mlptrain.formatting import without_apostrophe
from mlptrain.store import names
from mlptrain.store.reading import read_text
from mlptrain.store.runs import Run


def read_confusion(run: Run) -> tuple[list[str], np.ndarray]:
    """Return class names and counts, int64 (classes, classes), of a run's `confusion_matrix.csv`.

    Raises:
        RunFolderError: it is not one.
    """
    try:
        header, *rows = list(csv.reader(io.StringIO(read_text(run.path, names.CONFUSION_MATRIX))))
    except (csv.Error, ValueError):
        raise _wrong("not a table") from None
    size = len(header)
    if not 2 <= size <= MOST_CLASSES or len(rows) != size or any(len(r) != size for r in rows):
        raise _wrong(f"not square, or not of 2 to {MOST_CLASSES} classes")
    if not all(cell.isascii() and cell.isdecimal() and len(cell) <= 9 for r in rows for cell in r):
        raise _wrong("a cell that is not a count")
    class_names = [without_apostrophe(name) for name in header]
    return class_names, np.array([[int(cell) for cell in row] for row in rows], np.int64)


def _wrong(reason: str) -> RunFolderError:
    name = names.CONFUSION_MATRIX
    return RunFolderError(f"{name} as mlptrain writes it", f"{name}: {reason}", "leave it out")
