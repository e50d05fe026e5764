"""The first 200 training and 50 test images of each class of CIFAR-10, packaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mlptrain.datasets.cifar10 import CIFAR10_CLASSES, CIFAR10_SIDE
from mlptrain.datasets.fixed_data import FixedData

if TYPE_CHECKING:
    from mlptrain.data.arrays import ImageArrays


class Data(FixedData):
    """Real images that need no network; see `data/mini.py` for the file."""

    name: Literal["cifar10_mini"]
    classes = CIFAR10_CLASSES
    side = CIFAR10_SIDE
    sizes = (2_000, 500)

    @classmethod
    def checksum(cls) -> str:
        """Return the checksum of the decoded images."""
        from mlptrain.data.mini import MINI_CHECKSUM

        return MINI_CHECKSUM

    @classmethod
    def read_local_copy(cls) -> ImageArrays:
        """Return the packaged images."""
        from mlptrain.data.mini import load_mini

        return load_mini()
