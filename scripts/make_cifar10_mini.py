"""Makes `src/mlptrain/data/cifar10_mini.npz` from the real CIFAR-10.

`python scripts/make_cifar10_mini.py`, with mlptrain installed or `PYTHONPATH=src`.

The first 200 training and 50 test images of each class, in their original order, laid out as one
picture per split and stored as lossless WebP (a fifth smaller than PNG). Prints the checksum that
`mlptrain/data/mini.py` expects.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from mlptrain.data import mini
from mlptrain.data.arrays import Bytes, ImageArrays
from mlptrain.data.sources import locate_cifar10
from mlptrain.datasets.cifar10 import CIFAR10_CLASSES

TARGET = Path(__file__).parents[1] / "src" / "mlptrain" / "data" / mini.FILE_NAME


def first_of_each_class(images: Bytes, labels: Bytes, count: int) -> tuple[Bytes, Bytes]:
    """Return the first `count` images of each class, in their original order."""
    per_class = [np.flatnonzero(labels == number)[:count] for number in range(len(CIFAR10_CLASSES))]
    chosen = np.sort(np.concatenate(per_class))
    return images[chosen], labels[chosen]


def encode_picture(images: Bytes) -> Bytes:
    """Return images as the bytes of one lossless WebP, `mini.COLUMNS` images to a row."""
    grid = images.reshape(-1, mini.COLUMNS, 32, 32, 3).transpose(0, 2, 1, 3, 4)
    picture = Image.fromarray(grid.reshape(-1, 32 * mini.COLUMNS, 3))
    stream = io.BytesIO()
    picture.save(stream, format="WEBP", lossless=True, quality=100, method=6)
    return np.frombuffer(stream.getvalue(), np.uint8)


def main() -> None:
    """Write the file, read it back, compare."""
    full = locate_cifar10(None, print).arrays
    chosen = ImageArrays(
        *first_of_each_class(full.train_images, full.train_labels, mini.TRAIN_IMAGES // 10),
        *first_of_each_class(full.test_images, full.test_labels, mini.TEST_IMAGES // 10),
    )
    np.savez(
        TARGET,
        train_webp=encode_picture(chosen.train_images),
        train_labels=chosen.train_labels,
        test_webp=encode_picture(chosen.test_images),
        test_labels=chosen.test_labels,
    )
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes")
    print(f'MINI_CHECKSUM = "{mini.checksum(chosen)}"')
    if mini.checksum(mini.decode(TARGET.read_bytes())) != mini.checksum(chosen):
        raise SystemExit("The file does not give back the images it was made from")


if __name__ == "__main__":
    main()
