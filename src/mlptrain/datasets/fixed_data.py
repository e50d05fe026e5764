"""What data sets have in common whose images are the same bytes everywhere."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from mlptrain.datasets.data_settings import DataSettings

if TYPE_CHECKING:
    from mlptrain.data.arrays import ImageArrays


class FixedData(DataSettings):
    """A data set whose sizes, classes and checksum are constants.

    Attributes:
        classes: names of class 0, 1, …
        side: pixels in a row and in a column of every image.
        sizes: number of (training, test) images.
    """

    classes: ClassVar[tuple[str, ...]]
    side: ClassVar[int]
    sizes: ClassVar[tuple[int, int]]

    @classmethod
    @abstractmethod
    def checksum(cls) -> str:
        """Return the SHA-256 that identifies the images."""

    @classmethod
    @abstractmethod
    def read_local_copy(cls) -> ImageArrays:
        """Return this machine's verified copy; never fetch one.

        Raises:
            DataError: it is missing or damaged.
        """

    def read(self, say: Callable[[str], None]) -> tuple[ImageArrays, str]:
        """Return the images that come with the package."""
        return self.read_local_copy(), "part of the package"

    def class_names(self) -> tuple[str, ...]:
        """Return `classes`."""
        return self.classes

    def image_side(self) -> int:
        """Return `side`."""
        return self.side

    def source_sizes(self) -> dict[str, int]:
        """Return `sizes`; there is no validation set."""
        train, test = self.sizes
        return {"train": train, "validation": 0, "test": test}
