"""CIFAR-10: 60,000 images of ten classes (Krizhevsky, 2009)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from mlptrain.datasets.fixed_data import FixedData
from mlptrain.errors import ConfigError, DataError
from mlptrain.paths import existing_path

if TYPE_CHECKING:
    from mlptrain.data.arrays import ImageArrays

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CIFAR10_SIDE = 32


class Data(FixedData):
    """The whole set, from the cache, a source on the internet, or a copy at `path`."""

    name: Literal["cifar10"]
    takes_path = True
    classes = CIFAR10_CLASSES
    side = CIFAR10_SIDE
    sizes = (50_000, 10_000)

    def check(self) -> None:
        """Refuse a path that does not exist."""
        if self.path is not None and existing_path(self.path) is None:
            raise ConfigError(
                "data.path to name a folder or archive with the CIFAR-10 records",
                f"data.path={self.path}, which does not exist",
                "correct the path, or leave data.path out: `mlptrain data fetch` gets CIFAR-10",
            )

    @classmethod
    def checksum(cls) -> str:
        """Return the checksum over those of the six official files."""
        from mlptrain.data.cifar10 import DATASET_CHECKSUM

        return DATASET_CHECKSUM

    @classmethod
    def read_local_copy(cls) -> ImageArrays:
        """Return the images in the cache."""
        from mlptrain.data.cache import cache_folder
        from mlptrain.data.cifar10 import read_records

        return read_records(cache_folder())

    def read(self, say: Callable[[str], None]) -> tuple[ImageArrays, str]:
        """Return all images, fetched if need be; a sweep reads them once for all its workers."""
        from mlptrain.data.shared import shared_images
        from mlptrain.data.sources import locate_cifar10

        path = None if self.path is None else existing_path(self.path)
        if path is None and self.path is not None:
            raise DataError(
                "a path to CIFAR-10",
                f"{self.path}, which does not exist",
                "give the path in full: --data-path PATH",
            )
        sources = ["read once for the sweep"]

        def locate() -> ImageArrays:
            located = locate_cifar10(path, say)
            sources.append(located.source)
            return located.arrays

        key = "" if path is None else f"-{hashlib.sha256(str(path).encode()).hexdigest()}"
        images = shared_images(f"cifar10{key}", locate)
        return images, sources[-1]
