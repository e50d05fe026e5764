"""What a user's own images have in common, whether a folder holds them or an `.npz`.

Their inventory becomes part of the composed config, so that everything else follows from the
config alone, and two runs have the same identity only if they saw the same images.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, Field

from mlptrain.datasets.data_settings import MOST_CLASSES, DataSettings, Inventories
from mlptrain.errors import ConfigError, DataError
from mlptrain.formatting import quantity, typed_override
from mlptrain.images.folders import ImageFolder, ImageProblemError
from mlptrain.images.scan import archive
from mlptrain.paths import existing_path, nature
from mlptrain.ranges import STRICT, Fraction, NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    import numpy as np

    from mlptrain.data.arrays import ImageArrays
    from mlptrain.data.source_images import SourceImages
    from mlptrain.images.arrays import LabeledArrays

    _Orders = list[tuple[str, np.ndarray]]
    """Part of the source, and the numbers of its images in their order."""


_Listed = TypeVar("_Listed", "ImageFolder", "LabeledArrays")


def _printable(name: str) -> str:
    if not name.isprintable() or "${" in name:
        raise ValueError("a printable name without ${")
    return name


ClassName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]


_DARK = 32
"""Below this brightest value of all images, 12 bits stored as 16 are the likely cause."""


class ImageInventory(BaseModel):
    """Classes, number of images and checksum of what is at `data.path`."""

    model_config = STRICT
    classes: Annotated[list[ClassName], Field(min_length=2, max_length=MOST_CLASSES)]
    train: PositiveInt
    validation: NonNegativeInt
    test: NonNegativeInt
    skipped: NonNegativeInt
    checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    def sizes(self) -> dict[str, int]:
        """Return the number of images of each split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class OwnImages(DataSettings):
    """A user's own images, resized to squares.

    Attributes:
        place: what `data.path` has to be, for messages.
        expected: what is expected there, likewise.
        image_size: rows and columns after resizing.
        test_fraction: share of all images, where there is no test set of its own.
        inventory: filled in when the config is composed.
    """

    takes_path = True
    belongs_to_user = True
    place: ClassVar[str]
    expected: ClassVar[str]
    image_size: Annotated[int, Field(ge=4, le=256)]
    test_fraction: Fraction
    inventory: ImageInventory | None

    @classmethod
    @abstractmethod
    def is_place(cls, path: Path) -> bool:
        """Return whether there is a place of this kind at the path."""

    @classmethod
    @abstractmethod
    def take_inventory(cls, path: Path, node: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of `data.inventory` for what is at the path.

        Raises:
            ConfigError: there are no images that could be used.
        """

    @abstractmethod
    def read_splits(self, path: Path, say: Callable[[str], None]) -> SourceImages:
        """Read and resize all images, and check them against the inventory.

        Args:
            path: the folder or file.
            say: receives one line about each thing that is left out, and about the progress.

        Raises:
            ConfigError, DataError: they cannot be read, or have changed.
        """

    @classmethod
    def is_complete(cls, node: Mapping[str, Any]) -> bool:
        """Return whether the node has an inventory, perhaps that of an earlier run."""
        return node.get("inventory") is not None

    @classmethod
    def complete(cls, node: Mapping[str, Any], inventories: Inventories) -> Mapping[str, Any]:
        """Fill in `inventory`, and make `path` absolute: a run may be resumed from elsewhere."""
        if cls.is_complete(node):
            return node
        key = (node["name"], node["path"], node.get("skip_unreadable"))
        root = cls.existing(node["path"])
        if key not in inventories:
            inventories[key] = cls.take_inventory(root, node)
        return {**node, "path": str(root), "inventory": inventories[key]}

    @classmethod
    def existing(cls, path: str | None) -> Path:
        """Return the absolute path of a place of this kind.

        Raises:
            ConfigError: there is none.
        """
        choice, action = cls.__module__.rpartition(".")[2], "correct the path"
        root = None if path is None else existing_path(path)
        if root is not None and cls.is_place(root):
            return root
        if path is None:
            action = f"write mlptrain data={choice} data.path=PATH"
        elif root is not None and archive([root]):
            action = f"unpack it, and name its folder: mlptrain data={choice} data.path=PATH"
        elif root is not None and (root.is_dir() or root.suffix == ".npz"):
            other = "folder" if root.is_dir() else "npz"
            action = f"mlptrain data={other} {typed_override('data.path', path)} reads it"
        given = "null" if path is None else f"{path}, which {nature(Path(path))}"
        raise ConfigError(f"data.path to name {cls.place}", f"data.path={given}", action)

    @staticmethod
    def inventory_content(
        classes: Sequence[str], sizes: Mapping[str, int], checksum: str, skipped: int = 0
    ) -> dict[str, Any]:
        """Return the content of `data.inventory`; a split without a size has no images."""
        splits = {split: sizes.get(split, 0) for split in ("train", "validation", "test")}
        return {"classes": list(classes), **splits, "skipped": skipped, "checksum": checksum}

    @classmethod
    def listed(cls, read: Callable[[Path], _Listed], path: Path) -> _Listed:
        """Return what is read at the path, with a number of classes that can be trained on.

        Raises:
            ConfigError: it cannot be read, or has too few or too many classes.
        """
        try:
            listed = read(path)
            if not 2 <= (number := len(listed.classes)) <= MOST_CLASSES:
                received = f"{path}: {quantity(number, 'class')}"
                raise ImageProblemError(received, f"merge or add classes, for 2 to {MOST_CLASSES}")
        except ImageProblemError as problem:
            raise ConfigError(cls.expected, problem.received, problem.action) from None
        return listed

    def check(self) -> None:
        """Refuse a config without an inventory, or without test images.

        Raises:
            ConfigError: with the reason and the way out.
        """
        if self.inventory is None:
            raise ConfigError(
                "data.inventory, which is filled in when a config is composed",
                "no data.inventory",
                f"compose it again: mlptrain data={self.name} data.path=PATH",
            )
        if not self.source_sizes()["test"]:
            raise ConfigError(
                "test images: a test part of their own, or a share of all",
                f"no test images among {quantity(self.checked_inventory().train, 'image')}, "
                f"with data.test_fraction={self.test_fraction}",
                "set data.test_fraction=0.2"
                if self.test_fraction == 0
                else "raise data.test_fraction, or add images",
            )

    def image_side(self) -> int:
        """Return `image_size`."""
        return self.image_size

    def class_names(self) -> tuple[str, ...]:
        """Return the names in the inventory."""
        return tuple(self.checked_inventory().classes)

    def checksum(self) -> str:
        """Return the checksum in the inventory."""
        return self.checked_inventory().checksum

    def source_sizes(self) -> dict[str, int]:
        """Return the inventory's numbers; without a test set it is `test_fraction` of train."""
        sizes = self.checked_inventory().sizes()
        if not sizes["test"]:
            sizes["test"] = int(round(sizes["train"] * self.test_fraction, 6))
            sizes["train"] -= sizes["test"]
        return sizes

    def given_splits(self) -> dict[str, int]:
        """Return the splits of the inventory that are not cut out of train."""
        sizes = self.checked_inventory().sizes()
        return {split: size for split, size in sizes.items() if size and split != "train"}

    def checked_inventory(self) -> ImageInventory:
        """Return the inventory that the images had when the config was composed.

        Raises:
            ValueError: it is missing, which validation refuses.
        """
        if self.inventory is None:
            raise ValueError("a config without data.inventory")
        return self.inventory

    def read(self, say: Callable[[str], None]) -> tuple[ImageArrays, str]:
        """Read, resize and order the images; a sweep does it once for all its workers.

        Raises:
            ConfigError: there are none at `path`.
            DataError: they are no longer those that the config was composed with, or cannot be
                read.
        """
        from mlptrain.data.shared import shared_images

        root = self._root()
        key = f"own-{self.checksum()}-{self.image_size}-{self.test_fraction}"
        return shared_images(key, lambda: self._ordered_images(root, say)), str(self.path)

    def read_source(self, say: Callable[[str], None]) -> SourceImages:
        """Read and resize the images; errors are those of `read`."""
        return self.read_splits(self._root(), say)

    def _root(self) -> Path:
        if self.path is None:
            raise DataError(
                "the images that the run was trained on", "no path to them", "give --data-path PATH"
            )
        return self.existing(self.path)

    def changed(self) -> DataError:
        """Return the error for images that are not those of the inventory."""
        return DataError(
            f"the images at data.path={self.path} as they were when the config was composed",
            "images, classes or counts that have changed since",
            "restore them; to train a new run on them as they are now after --like, add "
            "data.inventory=null",
        )

    def _ordered_images(self, root: Path, say: Callable[[str], None]) -> ImageArrays:
        """Return the images in an order that is the same for every seed.

        Every beginning of it has its share of each class (see `stratified_order`). Without a test
        set, the first images become one. Validation images of their own come first in train.
        """
        import numpy as np

        from mlptrain.data.arrays import ImageArrays, aligned_empty

        source = self.read_splits(root, say)
        images, labels = source.images, source.labels
        brightest = max(int(part.max()) for part in images.values())
        if brightest < _DARK:
            say(
                f"warning: the brightest value of all images is {brightest} of 255; were they "
                "scaled for another range, such as 12 bits in 16?"
            )
        train, ((test, of_test),) = self._orders(labels)
        side, number = self.image_size, sum(len(order) for _, order in train)
        result = ImageArrays(
            train_images=aligned_empty((number, side, side, 3), np.uint8),
            train_labels=np.concatenate([labels[part][order] for part, order in train]),
            test_images=images[test][of_test],
            test_labels=labels[test][of_test],
        )
        first = 0
        for part, order in train:
            last = first + len(order)
            np.take(images[part], order, axis=0, out=result.train_images[first:last])
            first = last
        return result

    def _source_order(self, labels: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        from mlptrain.data.source_images import first_positions

        firsts = first_positions(labels)
        train, test = (
            np.concatenate([firsts[part] + order for part, order in orders])
            for orders in self._orders(labels)
        )
        return train, test

    def _orders(self, labels: Mapping[str, np.ndarray]) -> tuple[_Orders, _Orders]:
        """Return of which parts the training images and the test images are, each in its order."""
        from mlptrain.data.order import stratified_order

        order = {part: stratified_order(of_part) for part, of_part in labels.items()}
        test = self.source_sizes()["test"]
        of_test = [("test", order["test"])] if "test" in order else []
        if not of_test:
            of_test = [("train", order["train"][:test])]
            order["train"] = order["train"][test:]
        parts: list[str] = [part for part in ("validation", "train") if part in order]
        return [(part, order[part]) for part in parts], of_test
