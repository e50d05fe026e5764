"""A user's own image files: one folder for each class."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlptrain.datasets.data_settings import MOST_CLASSES
from mlptrain.datasets.own_images import OwnImages
from mlptrain.errors import printable, reason_of
from mlptrain.formatting import quantity
from mlptrain.images.folders import ImageFolder, ImageProblemError, list_folder

if TYPE_CHECKING:
    import numpy as np

    from mlptrain.data.source_images import SourceImages


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
        from mlptrain.images.reading import read_readable, unreadable, with_progress

        folder, digest = cls._listed(path), _Digest(path)
        say = partial(print, file=sys.stderr)  # composing has no view yet
        faults: dict[Path, str] = {}
        if node["skip_unreadable"]:
            _, faults = read_readable(folder.files(), 1, say, digest.add)
            folder = folder.without(faults)
        else:
            for file in with_progress(folder.files(), "took the checksum of", say):
                try:
                    digest.add(file, file.read_bytes())
                except OSError as error:
                    faults[file] = reason_of(error)
            if faults:
                raise unreadable(faults, len(folder.files()))
        sizes = {split: len(listed) for split, listed in folder.splits.items()}
        return cls.inventory_content(folder.classes, sizes, digest.hexdigest(), len(faults))

    def read_splits(self, path: Path, say: Callable[[str], None]) -> SourceImages:
        """Decode and resize every file."""
        import numpy as np

        from mlptrain.data.source_images import SourceImages
        from mlptrain.images.reading import read_readable, unreadable

        inventory, folder, digest = self.checked_inventory(), self._listed(path), _Digest(path)
        for line in folder.notes:
            say(line)
        files = folder.files()
        known = sum(inventory.sizes().values()) + inventory.skipped
        if list(folder.classes) != inventory.classes or len(files) != known:
            raise self.changed()
        say(f"reading {len(files):,} images in {printable(path)}")
        every, faults = read_readable(files, self.image_size, say, digest.add)
        if faults and not self.skip_unreadable:
            raise unreadable(faults, len(files))
        folder = folder.without(faults)
        for file, reason in faults.items():
            say(f"left out: {printable(file)} ({printable(reason)})")
        if digest.hexdigest() != inventory.checksum:
            raise self.changed()
        sizes = [len(listed) for listed in folder.splits.values()]
        parts = np.split(every, np.cumsum(sizes)[:-1])
        labels = {
            split: np.array([number for _, number in listed], np.uint8)
            for split, listed in folder.splits.items()
        }
        return SourceImages(
            images=dict(zip(labels, parts, strict=True)),
            labels=labels,
            files={
                split: [file.relative_to(path).as_posix() for file, _ in listed]
                for split, listed in folder.splits.items()
            },
            unreadable={
                file.relative_to(path).as_posix(): reason for file, reason in faults.items()
            },
        )

    def original_sizes(self, source: SourceImages) -> np.ndarray:
        """Read rows and columns from the headers of the files."""
        import numpy as np

        from mlptrain.images.image_file import image_size

        root = self.existing(self.path)
        files = (root / file for listed in source.files.values() for file in listed)
        return np.array([image_size(file) for file in files])

    @classmethod
    def _listed(cls, path: Path) -> ImageFolder:
        try:
            folder = list_folder(path)
            if len(folder.classes) > MOST_CLASSES:
                raise ImageProblemError(
                    f"{path}: {quantity(len(folder.classes), 'class')}",
                    "merge classes, or leave some out",
                )
        except ImageProblemError as problem:
            raise cls.refused(problem) from None
        return folder


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
