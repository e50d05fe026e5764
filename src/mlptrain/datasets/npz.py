"""A user's own images as arrays in an `.npz`, named as Keras names them or `images`, `labels`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlptrain.datasets.data_settings import MOST_CLASSES
from mlptrain.datasets.own_images import OwnImages, wrong_images
from mlptrain.errors import DataError

if TYPE_CHECKING:
    import numpy as np

_FIELDS = ("train_images", "train_labels", "test_images", "test_labels")
_NAMES = (("x_train", "y_train", "x_test", "y_test"), ("images", "labels"), ("x", "y"))


class Data(OwnImages):
    """Images uint8 (n, rows, columns[, 3]) and labels from 0."""

    name: Literal["npz"]
    place = "an .npz file"

    @classmethod
    def is_place(cls, path: Path) -> bool:
        """Return whether it is a file."""
        return path.is_file()

    @classmethod
    def watched_paths(cls, path: Path) -> Iterator[Path]:
        """Yield the file."""
        yield path

    @classmethod
    def count_images(cls, path: Path) -> dict[str, Any]:
        """Take the checksum of the file; class names are in `classes`, or are the numbers."""
        arrays = _read_arrays(path)
        labels = [arrays[key] for key in ("train_labels", "test_labels") if key in arrays]
        count = 1 + max(int(part.max()) for part in labels)
        if "classes" in arrays:
            classes = [str(name) for name in arrays["classes"].tolist()]
        else:
            classes = [str(number) for number in range(count)]
        if not count <= len(classes) or not 2 <= len(classes) <= MOST_CLASSES:
            raise wrong_images(
                "npz",
                f"labels from 0 on, of 2 to {MOST_CLASSES} classes, each with its name in "
                "`classes` where that is given",
                f"{path}: labels up to {count - 1}, {len(classes)} classes",
            )
        with path.open("rb") as stream:
            checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        return {
            "classes": classes,
            "train": len(arrays["train_labels"]),
            "test": len(arrays["test_labels"]) if "test_labels" in arrays else 0,
            "checksum": checksum,
        }

    @classmethod
    def read_images(cls, path: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Resize the arrays."""
        import numpy as np

        from mlptrain.images.files import as_images

        arrays = _read_arrays(path)
        parts = [part for part in ("train", "test") if f"{part}_images" in arrays]
        images = np.concatenate([as_images(arrays[f"{part}_images"], side) for part in parts])
        labels = np.concatenate([arrays[f"{part}_labels"] for part in parts])
        return images, labels.astype(np.uint8)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays by `_FIELDS` as far as the file has them, and `classes`.

    Raises:
        ConfigError: there are none of the known names, or arrays of another kind. Nothing is
            unpickled.
    """
    from mlptrain.images.files import load_arrays

    try:
        return load_arrays(path, [dict(zip(_FIELDS, names, strict=False)) for names in _NAMES])
    except DataError as error:
        raise wrong_images("npz", error.expected, error.received) from None
