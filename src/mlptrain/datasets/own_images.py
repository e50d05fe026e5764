"""What a user's own images have in common, whether a folder holds them or an `.npz`.

Their inventory becomes part of the composed config, so that everything else follows from the
config alone, and two runs have the same identity only if they saw the same images.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, Field

from mlptrain.datasets.data_settings import MOST_CLASSES, DataSettings
from mlptrain.errors import ConfigError, DataError
from mlptrain.ranges import STRICT, Fraction, NonNegativeInt, PositiveInt

if TYPE_CHECKING:
    import numpy as np

    from mlptrain.data.arrays import ImageArrays


def _printable(name: str) -> str:
    if not name.isprintable() or "${" in name:
        raise ValueError("a printable name without ${")
    return name


ClassName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]


class ImageInventory(BaseModel):
    """Classes, number of images and checksum of what is at `data.path`."""

    model_config = STRICT
    classes: Annotated[list[ClassName], Field(min_length=2, max_length=MOST_CLASSES)]
    train: PositiveInt
    test: NonNegativeInt
    checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class OwnImages(DataSettings):
    """A user's own images, resized to squares.

    Attributes:
        place: what `data.path` has to be, for messages.
        image_size: rows and columns after resizing.
        test_fraction: share of all images, where there is no test set of its own.
        inventory: filled in when the config is composed.
    """

    takes_path = True
    place: ClassVar[str]
    image_size: Annotated[int, Field(ge=4, le=256)]
    test_fraction: Fraction
    inventory: ImageInventory | None

    @classmethod
    @abstractmethod
    def is_place(cls, path: Path) -> bool:
        """Return whether there is a place of this kind at the path."""

    @classmethod
    @abstractmethod
    def watched_paths(cls, path: Path) -> Iterable[Path]:
        """Return the files and folders of which one changes whenever the inventory does."""

    @classmethod
    @abstractmethod
    def count_images(cls, path: Path) -> dict[str, Any]:
        """Read the content of `data.inventory`: classes, numbers of images, checksum.

        Raises:
            ConfigError: there are no images that could be used.
        """

    @classmethod
    @abstractmethod
    def read_images(cls, path: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Return images uint8 (n, side, side, 3) and labels uint8 (n,), test images last."""

    @classmethod
    def take_inventory(cls, name: str, path: str | None) -> dict[str, Any]:
        """Return the content of `data.inventory`; all cells of a grid read the images once.

        Raises:
            ConfigError: there are no such images.
        """
        try:
            root = None if path is None else Path(path).expanduser()
            if root is not None and not cls.is_place(root):
                root = None
        except (OSError, RuntimeError, ValueError):  # too long a name, ~someone, a null byte
            root = None
        if root is None:
            raise ConfigError(
                f"data.path to name {cls.place}",
                "data.path=null" if path is None else f"data.path={path}, which is not {cls.place}",
                f"mlptrain data={name} data.path=PATH",
            )
        try:
            state = repr(sorted(map(_stamp, cls.watched_paths(root))))
        except OSError as error:
            raise wrong_images(name, "a folder that can be read", f"{root}: {error}") from None
        return dict(_inventory(cls, root, hashlib.sha256(state.encode()).hexdigest()))

    @classmethod
    def complete(cls, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fill in `inventory`, unless it is that of an earlier run."""
        path = node.get("path")
        if node.get("inventory") is not None or not isinstance(path, str | None):
            return node
        return {**node, "inventory": cls.take_inventory(node["name"], path)}

    def check(self) -> None:
        """Refuse a config without an inventory or without test images."""
        if self.inventory is None:
            raise ConfigError(
                "data.inventory, which is filled in when a config is composed",
                "no data.inventory",
                f"compose it anew with data={self.name} data.path=…",
            )
        if not self.source_sizes()[1]:
            raise ConfigError(
                "test images: a test part of their own, or a share of all",
                f"no test images at data.path, and data.test_fraction={self.test_fraction}",
                "set data.test_fraction=0.2",
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

    def source_sizes(self) -> tuple[int, int]:
        """Return the inventory's numbers; without a test set it is `test_fraction` of all."""
        inventory = self.checked_inventory()
        if inventory.test:
            return inventory.train, inventory.test
        test = int(round(inventory.train * self.test_fraction, 6))
        return inventory.train - test, test

    def checked_inventory(self) -> ImageInventory:
        """Return the inventory that the images had when the config was composed.

        Raises:
            ValueError: it is missing, which validation refuses.
        """
        if self.inventory is None:
            raise ValueError("a config without data.inventory")
        return self.inventory

    def read(self, say: Callable[[str], None]) -> tuple[ImageArrays, str]:
        """Read, resize and shuffle the images; a sweep does it once for all its workers.

        Raises:
            ConfigError: there are none at `path`.
            DataError: they are no longer those that the config was composed with, or cannot be
                read.
        """
        from mlptrain.data.shared import shared_images

        inventory = self.checked_inventory()
        if self.path is None:
            raise DataError(
                "the images that the run was trained on", "no path to them", "give --data-path PATH"
            )
        now = self.take_inventory(self.name, self.path)
        if differing := [key for key, value in inventory if now[key] != value]:
            raise DataError(
                f"the images at data.path={self.path} as they were when the config was composed",
                f"images whose {' and '.join(differing)} have changed",
                "bring them back, or take them as they are now with data.inventory=null",
            )
        key = f"own-{inventory.checksum}-{self.image_size}-{self.test_fraction}"
        return shared_images(key, self._mixed_images), self.path

    def _mixed_images(self) -> ImageArrays:
        """Return the images in an order that is the same for every seed.

        Files come class by class, and validation is the first part of train. Where there is no
        test set, it is the last images.
        """
        import numpy as np

        from mlptrain.data.arrays import ImageArrays, aligned_empty

        side, mixed = self.image_size, self.checked_inventory().train
        images, labels = self.read_images(Path(str(self.path)).expanduser(), side)
        train, _ = self.source_sizes()
        first = np.random.default_rng(0).permutation(mixed)
        order = np.concatenate([first, np.arange(mixed, len(labels))])
        result = ImageArrays(
            train_images=aligned_empty((train, side, side, 3), np.uint8),
            train_labels=labels[order[:train]],
            test_images=images[order[train:]],
            test_labels=labels[order[train:]],
        )
        result.train_images[:] = images[order[:train]]
        return result


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _inventory(kind: type[OwnImages], root: Path, state: str) -> dict[str, Any]:
    """Count the images, again only where `state`, the digest of all stamps, has changed."""
    return kind.count_images(root)


def wrong_images(name: str, expected: str, received: str) -> ConfigError:
    """Return an error about images of the data set `name` that cannot be used."""
    return ConfigError(expected, received, f"see docs/howto/own_data.md for what data={name} reads")
