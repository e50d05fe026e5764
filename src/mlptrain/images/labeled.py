"""Labeled images that a user names for `evaluate`, with the classes of a trained model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mlptrain.errors import DataError
from mlptrain.images.arrays import read_npy_pair, read_npz
from mlptrain.images.folders import ImageProblemError, label_folder
from mlptrain.images.image_file import as_images
from mlptrain.images.reading import read_readable, unreadable
from mlptrain.images.scan import archive


def load_labeled(
    source: str,
    class_names: Sequence[str],
    side: int = 32,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return images with their classes: uint8 (n, side, side, 3) and uint8 (n,).

    Args:
        source: a folder with one folder of images per class, named after the classes or by their
            numbers; an `.npz` of images and labels (see `read_npz`); or two `.npy` files,
            `IMAGES.npy,LABELS.npy`. Of an `.npz` with splits the test images are taken.
        class_names: of class 0, 1, …
        side: to resize to, as `load_image` and `as_images` do.
        say: receives one line about each thing that is left out, and about the progress.

    Raises:
        DataError: it is none of these.
    """
    try:
        path = Path(source).expanduser()
        images, _, labels = source.partition(",")
        if labels and not path.exists():
            arrays = read_npy_pair(
                Path(images).expanduser(), Path(labels).expanduser(), class_names
            )
        elif path.suffix.lower() == ".npz":
            arrays = read_npz(path, class_names)
        elif path.is_dir():
            notes: list[str] = []
            files = label_folder(path, class_names, notes)
            for line in notes:
                say(line)
            numbers = np.array([number for _, number in files], np.uint8)
            pictures, faults = read_readable([file for file, _ in files], side, say)
            if faults:
                raise unreadable(faults, len(files))
            return pictures, numbers
        else:
            packed = archive([path]) if path.is_file() else None
            raise ImageProblemError(
                f"{source}: no such folder, .npz file or pair of .npy files",
                "unpack it, and name its folder" if packed else "correct the path",
            )
    except (OSError, RuntimeError) as error:  # unreadable, too long a name, or ~someone
        reason = getattr(error, "strerror", None) or error
        raise _unknown(f"{source}: {reason}", "correct the path") from None
    except ImageProblemError as error:
        raise _unknown(error.received, error.action) from None
    for line in arrays.notes:
        say(line)
    split = next(split for split in ("test", "train", "validation") if split in arrays.splits)
    pictures, numbers = arrays.splits[split]
    return as_images(pictures, side), numbers.astype(np.uint8)


def _unknown(received: str, action: str) -> DataError:
    return DataError(
        "train, validation or test; a folder of images by class; an .npz with images uint8 "
        "(n, rows, columns, 3) and labels (n,); or IMAGES.npy,LABELS.npy",
        received,
        action,
    )
