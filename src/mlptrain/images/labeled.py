"""Labeled images that a user names for `evaluate`, with the classes of a trained model."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mlptrain.errors import ImageSourceError, reason_of
from mlptrain.images.arrays import read_npy_pair, read_npz
from mlptrain.images.folders import ImageProblemError, label_folder
from mlptrain.images.image_file import as_images
from mlptrain.images.reading import read_readable, unreadable
from mlptrain.images.scan import archive

_SOURCES = (
    "train, validation or test; a folder of images by class; an .npz with images uint8 "
    "(n, rows, columns, 3) and labels (n,); or IMAGES.npy,LABELS.npy"
)


def load_labeled(
    source: str,
    class_names: Sequence[str],
    side: int = 32,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return images with their classes: uint8 (n, side, side, 3) and uint8 (n,).

    Args:
        source: a folder as for `label_folder`, an `.npz` as for `read_npz`, of whose splits the
            test images are taken, or two files, `IMAGES.npy,LABELS.npy`.
        class_names: of class 0, 1, …
        side: to resize to.
        say: receives one line about each thing that is left out, and about the progress.

    Raises:
        ImageSourceError: it is none of these.
    """
    try:
        path = Path(source).expanduser()
        images, _, labels = source.partition(",")
        if path.is_dir():
            files, notes = label_folder(path, class_names)
            for line in notes:
                say(line)
            pictures, faults = read_readable([file for file, _ in files], side, say)
            if faults:
                raise unreadable(faults, len(files))
            return pictures, np.array([number for _, number in files], np.uint8)
        if labels and not path.exists():
            first, second = (Path(name).expanduser() for name in (images, labels))
            arrays = read_npy_pair(first, second, class_names)
        elif path.suffix.lower() == ".npz":
            arrays = read_npz(path, class_names)
        else:
            raise ImageProblemError(
                f"{source}: no such folder, .npz file or pair of .npy files",
                "unpack it, and name its folder" if archive([path]) else "correct the path",
            )
    except (OSError, RuntimeError) as error:  # too long a name, or ~someone
        raise ImageSourceError(
            _SOURCES, f"{source}: {reason_of(error)}", "correct the path"
        ) from None
    except ImageProblemError as error:
        raise ImageSourceError(_SOURCES, error.received, error.action) from None
    for line in arrays.notes:
        say(line)
    split = next(split for split in ("test", "train", "validation") if split in arrays.splits)
    pictures, numbers = arrays.splits[split]
    return as_images(pictures, side), numbers.astype(np.uint8)
