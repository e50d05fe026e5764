"""A user's own image files: one folder for each class."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlptrain.datasets.data_settings import MOST_CLASSES
from mlptrain.datasets.own_images import OwnImages
from mlptrain.errors import printable
from mlptrain.images.folders import ImageFolder, ImageProblemError, list_folder

if TYPE_CHECKING:
    from mlptrain.datasets.own_images import Splits


class Data(OwnImages):
    """PNG, JPEG, WebP and BMP files.

    Attributes:
        skip_unreadable: whether files that cannot be read are left out and counted.
    """

    name: Literal["folder"]
    skip_unreadable: bool
    place = "a folder with one folder of images per class"
    expected = (
        f"2 to {MOST_CLASSES} folders of images (PNG, JPEG, WebP, BMP), one per class, in the "
        "folder or in its train/, with val/ and test/ where there are such sets"
    )

    @classmethod
    def is_place(cls, path: Path) -> bool:
        """Return whether it is a folder."""
        return path.is_dir()

    @classmethod
    def take_inventory(cls, path: Path, node: Mapping[str, Any]) -> dict[str, Any]:
        """Take the checksum over every file's place below the folder and its content."""
        folder, skipped = cls._listed(path, skip_unreadable=node["skip_unreadable"])
        digest = _Digest(path)
        try:
            for listed in folder.splits.values():
                for file, _ in listed:
                    digest.add(file, file.read_bytes())
        except OSError as error:
            raise cls.refused(ImageProblemError(str(error), "make the file readable")) from None
        return {
            "classes": list(folder.classes),
            **{s: len(folder.splits.get(s, ())) for s in ("train", "validation", "test")},
            "skipped": len(skipped),
            "checksum": digest.hexdigest(),
        }

    def read_splits(self, path: Path, say: Callable[[str], None]) -> Splits:
        """Decode and resize every file."""
        import numpy as np

        from mlptrain.images.reading import read_images

        inventory = self.checked_inventory()
        folder, skipped = self._listed(path, skip_unreadable=self.skip_unreadable)
        for line in folder.notes:
            say(line)
        for file, reason in skipped.items():
            say(f"left out: {printable(file)} ({printable(reason)})")
        sizes = {split: len(listed) for split, listed in folder.splits.items()}
        if list(folder.classes) != inventory.classes or any(
            sizes.get(split, 0) != getattr(inventory, split)
            for split in ("train", "validation", "test")
        ):
            raise self.changed()
        say(f"reading {sum(sizes.values()):,} images in {printable(path)}")
        digest = _Digest(path)
        files = [file for listed in folder.splits.values() for file, _ in listed]
        every = read_images(files, self.image_size, say, digest.add)
        if digest.hexdigest() != inventory.checksum:
            raise self.changed()
        bounds = np.cumsum(list(sizes.values()))[:-1]
        images = dict(zip(sizes, np.split(every, bounds), strict=True))
        labels = {
            split: np.array([number for _, number in listed], np.uint8)
            for split, listed in folder.splits.items()
        }
        return images, labels

    @classmethod
    def _listed(
        cls, path: Path, *, skip_unreadable: bool
    ) -> tuple[ImageFolder, Mapping[Path, str]]:
        """Return the folder without the files that cannot be read if asked, and those files."""
        try:
            folder = list_folder(path)
            if len(folder.classes) > MOST_CLASSES:
                raise ImageProblemError(
                    f"{path}: {len(folder.classes)} classes", "merge classes, or leave some out"
                )
        except ImageProblemError as problem:
            raise cls.refused(problem) from None
        except OSError as error:
            raise cls.refused(ImageProblemError(str(error), "make it readable")) from None
        if not skip_unreadable:
            return folder, {}
        from mlptrain.images.reading import find_faults

        faults = find_faults([file for listed in folder.splits.values() for file, _ in listed])
        splits = {
            split: [(file, number) for file, number in listed if file not in faults]
            for split, listed in folder.splits.items()
        }
        return ImageFolder(folder.classes, splits, folder.notes), faults


class _Digest:
    """SHA-256 over the files of a folder, in the order in which they are added."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._digest = hashlib.sha256()

    def add(self, file: Path, content: bytes) -> None:
        """Add a file's place below the root and its content."""
        place = os.fsencode(file.relative_to(self._root).as_posix())  # names need not be text
        self._digest.update(place + f"\0{hashlib.sha256(content).hexdigest()}\n".encode())

    def hexdigest(self) -> str:
        """Return the checksum."""
        return self._digest.hexdigest()
