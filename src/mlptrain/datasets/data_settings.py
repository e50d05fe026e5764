"""What a data set has to say of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from mlptrain.ranges import STRICT, Fraction, PositiveInt

if TYPE_CHECKING:
    import numpy as np

    from mlptrain.data.arrays import ImageArrays
    from mlptrain.data.dataset import Dataset
    from mlptrain.data.source_images import SourceImages

MOST_CLASSES = 200
"""Labels are uint8, and a confusion matrix of more cannot be read."""

Inventories = dict[tuple[Any, ...], dict[str, Any]]
"""What stands at a path, by what it depends on: the cells of a grid look at images once."""


class DataSettings(BaseModel, ABC):
    """The `data` node of a config: its fields are the keys of the data set's YAML file.

    A data set is one module of this package, named as its `name`, whose class `Data` is a subclass.

    Attributes:
        takes_path: whether `data.path` says where the images are.
        belongs_to_user: whether the images are the user's own: what is wrong with them is said
            before a run begins.
        name: of the data set; a subclass narrows it to one literal.
        validation_fraction: share of the training images that becomes the validation set.
        scaling: how pixels are scaled.
        path: where the images are, as the user typed it; None where the data set knows.
        class_weights: how much each class counts in the training loss; `balanced` divides by its
            share of the training images.
        split_seed: draws which training images become the validation set; None: the first ones.
        limit: number of images to keep of the training and of the test set, the first ones.
    """

    model_config = STRICT
    takes_path: ClassVar[bool] = False
    belongs_to_user: ClassVar[bool] = False
    name: str
    validation_fraction: Fraction
    scaling: Literal["standardize", "minus_one_one", "zero_one"]
    path: str | None
    class_weights: Literal["balanced"] | None = None
    split_seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    limit: PositiveInt | None

    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Return the names of class 0, 1, …"""

    @abstractmethod
    def image_side(self) -> int:
        """Return the number of pixels in a row and in a column of every image."""

    @abstractmethod
    def source_sizes(self) -> dict[str, int]:
        """Return the number of images in `train`, `validation` and `test` before `limit`.

        Without validation images of its own, those are cut out of train.
        """

    @abstractmethod
    def checksum(self) -> str:
        """Return the SHA-256 that identifies the images, from wherever they were read."""

    @abstractmethod
    def read(self, say: Callable[[str], None]) -> tuple[ImageArrays, str]:
        """Return the verified images before `limit`, and for people where they come from.

        Args:
            say: receives one line for each thing worth telling, such as a download.

        Raises:
            DataError: the images could not be found, fetched or verified.
        """

    @classmethod
    def is_complete(cls, node: Mapping[str, Any]) -> bool:
        """Return whether a composed node has the keys that follow from what is at `path`."""
        return True

    @classmethod
    def complete(cls, node: Mapping[str, Any], inventories: Inventories) -> Mapping[str, Any]:
        """Return the node with the keys that follow from what is at `path` when it is composed."""
        return node

    def given_splits(self) -> dict[str, int]:
        """Return split → number of images, where `…_fraction` could cut it and does not."""
        return {}

    def check(self) -> None:
        """Refuse what types and ranges of single keys cannot.

        Raises:
            ConfigError: with the reason and the way out.
        """

    def load(self, say: Callable[[str], None]) -> Dataset:
        """Return the images, verified and split; see `split_sizes`.

        Args:
            say: receives one line for each thing worth telling, such as a download.

        Raises:
            DataError: the images could not be found, fetched or verified.
        """
        from mlptrain.data.dataset import Dataset, Split

        arrays, source = self.read(say)
        images = self._cut(arrays.train_images, arrays.test_images, arrays.train_labels)
        labels = self._cut(arrays.train_labels, arrays.test_labels, arrays.train_labels)
        return Dataset(
            name=self.name,
            source=source,
            checksum=self.checksum(),
            class_names=self.class_names(),
            **{split: Split(images[split], labels[split]) for split in images},
        )

    def read_source(self, say: Callable[[str], None]) -> SourceImages:
        """Return the images as the source has them, each with its place there.

        Args:
            say: receives one line for each thing worth telling, such as a download.

        Raises:
            DataError: the images could not be found, fetched or verified.
        """
        from mlptrain.data.source_images import SourceImages

        arrays, _ = self.read(say)
        return SourceImages(
            images={"train": arrays.train_images, "test": arrays.test_images},
            labels={"train": arrays.train_labels, "test": arrays.test_labels},
            arrays={"train": "train", "test": "test"},
        )

    def original_sizes(self, source: SourceImages) -> np.ndarray | None:
        """Return rows and columns of every image before resizing, int (n, 2), by position.

        None where the source has only images of the size that is trained on.
        """
        return None

    def split_positions(self, labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return split → the positions of its images at the source, in their order.

        Args:
            labels: part of the source → labels; see `SourceImages`.
        """
        import numpy as np

        train, test = self._source_order(labels)
        of_all = np.concatenate(list(labels.values()))
        return self._cut(train, test, of_all[train])

    def _source_order(self, labels: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of the training and of the test images that `read` returns."""
        import numpy as np

        train = len(labels["train"])
        return np.arange(train), train + np.arange(len(labels["test"]))

    def _cut(
        self, train: np.ndarray, test: np.ndarray, labels: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Cut what `read` returns, or what stands in the same order, into the splits.

        Args:
            train: what stands for the training images.
            test: for the test images.
            labels: of the training images.
        """
        sizes = self.split_sizes()
        if self.split_seed is not None:
            order = self._drawn_order(labels[: sizes["validation"] + sizes["train"]])
            return {
                "train": _rows(train, order[sizes["validation"] :]),
                "validation": _rows(train, order[: sizes["validation"]]),
                "test": test[: sizes["test"]],
            }
        first = self.source_sizes()["validation"] or sizes["validation"]
        return {
            "train": train[first : first + sizes["train"]],
            "validation": train[: sizes["validation"]],
            "test": test[: sizes["test"]],
        }

    def _drawn_order(self, labels: np.ndarray) -> np.ndarray:
        """Return the places of the training images, those of validation first.

        Own images keep their share of each class in both parts.
        """
        import numpy as np

        from mlptrain.data.order import stratified_order
        from mlptrain.random_streams import Kind, stream

        assert self.split_seed is not None
        draw = np.random.default_rng(stream(self.split_seed, Kind.SPLIT))
        if self.belongs_to_user:
            return stratified_order(labels, draw)
        return draw.permutation(len(labels))

    def image_shape(self) -> tuple[int, int, int]:
        """Return rows, columns and channels of every image."""
        return self.image_side(), self.image_side(), 3

    def features(self) -> int:
        """Return the number of values in an image."""
        return prod(self.image_shape())

    def split_sizes(self) -> dict[str, int]:
        """Return the number of images in `train`, `validation` and `test`.

        `limit` keeps the first images of each set of the source. Where it has no validation set,
        that is then the first `validation_fraction` of the training set, as in the study; 0 means
        no validation.
        """
        sizes = self.source_sizes()
        if self.limit is not None:
            sizes = {split: min(size, self.limit) for split, size in sizes.items()}
        if not sizes["validation"] or not self.validation_fraction:
            # Rounded first: 0.29 * 100 is 28.999… in binary floating point.
            sizes["validation"] = int(round(sizes["train"] * self.validation_fraction, 6))
            sizes["train"] -= sizes["validation"]
        return sizes


def _rows(array: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the rows at the places, in the array's order, aligned as `read` returns them."""
    import numpy as np

    from mlptrain.data.arrays import aligned_empty

    rows = aligned_empty((len(places), *array.shape[1:]), array.dtype)
    np.take(array, np.sort(places), axis=0, out=rows)
    return rows
