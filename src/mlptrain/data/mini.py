"""The packaged subset `cifar10_mini`: real, class-balanced images that need no network.

`scripts/make_cifar10_mini.py` made it.
"""

import hashlib
import io
import zipfile
from importlib import resources

import numpy as np

from mlptrain.data.arrays import Bytes, ImageArrays
from mlptrain.errors import DataError

FILE_NAME = "cifar10_mini.npz"
TRAIN_IMAGES, TEST_IMAGES = 2_000, 500
# Images side by side in the stored pictures; WebP allows 16,383 pixels a side.
COLUMNS = 50

# Of the decoded images and labels, so it holds whatever decoder Pillow was built with.
MINI_CHECKSUM = "60ade48da4b11eaefcd5d8167fcb887dac30a4f678741a4435b88192c499c6e7"


def load_mini() -> ImageArrays:
    """Read the 2,000 training and 500 test images, 200 and 50 of each class.

    The training images are uint8 `(2000, 32, 32, 3)`, the test images `(500, 32, 32, 3)`, both in
    the full set's order, so that any first part of them is about balanced.

    Raises:
        DataError: the installed file is missing or damaged.
    """
    try:
        content = (resources.files("mlptrain.data") / FILE_NAME).read_bytes()
        arrays = decode(content)
    # Everything a damaged zip, array header or picture can raise.
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(f"cannot be read: {error}") from error
    if checksum(arrays) != MINI_CHECKSUM:
        raise _damaged("its checksum is not that of the released file")
    return arrays


def decode(content: bytes) -> ImageArrays:
    """Return the arrays in the bytes of a `cifar10_mini.npz`, unchecked."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return ImageArrays(
            train_images=_decode_picture(stored["train_webp"]),
            train_labels=stored["train_labels"],
            test_images=_decode_picture(stored["test_webp"]),
            test_labels=stored["test_labels"],
        )


def checksum(arrays: ImageArrays) -> str:
    """Return the SHA-256 over train images, train labels, test images, test labels."""
    digest = hashlib.sha256()
    for array in (arrays.train_images, arrays.train_labels, arrays.test_images, arrays.test_labels):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _decode_picture(content: Bytes) -> Bytes:
    from PIL import Image

    with Image.open(io.BytesIO(content.tobytes()), formats=["WEBP"]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    grid = pixels.reshape(-1, 32, COLUMNS, 32, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(-1, 32, 32, 3))


def _damaged(reason: str) -> DataError:
    return DataError(
        expected=f"the packaged images, mlptrain/data/{FILE_NAME}",
        received=f"the file {reason}",
        action="reinstall mlptrain: pip install --force-reinstall --no-deps mlptrain",
    )
