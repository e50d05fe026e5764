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
from mlptrain.images.folders import list_folder

if TYPE_CHECKING:
    import numpy as np

    from mlptrain.data.source_images import SourceImages

_MOST_DECODED = 1 << 30
_decoded: dict[tuple[Path, int, str], tuple[np.ndarray, dict[Path, str]]] = {}
"""Images that were decoded when the inventory was taken, until they are trained on: path, side and
checksum → the images, and why files are left out."""


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

        folder, digest = cls.listed(list_folder, path), _Digest(path)
        files, say = folder.files(), partial(print, file=sys.stderr)  # composing has no view yet
        faults: dict[Path, str] = {}
        if node["skip_unreadable"]:
            side = node["image_size"]
            side = side if len(files) * side**2 * 3 < _MOST_DECODED else 1
            images, faults = read_readable(files, side, say, digest.add)
            _decoded.clear()
            _decoded[path, side, digest.hexdigest()] = images, faults
            folder = folder.without(faults)
        else:
            for file in with_progress(files, "took the checksum of", say):
                try:
                    digest.add(file, file.read_bytes())
                except OSError as error:
                    faults[file] = reason_of(error)
            if faults:
                raise unreadable(faults, len(files))
        sizes = {split: len(listed) for split, listed in folder.splits.items()}
        return cls.inventory_content(folder.classes, sizes, digest.hexdigest(), len(faults))

    def read_splits(self, path: Path, say: Callable[[str], None]) -> SourceImages:
        """Decode and resize every file."""
        import numpy as np

        from mlptrain.data.source_images import SourceImages
        from mlptrain.images.reading import read_readable, unreadable

        inventory, digest = self.checked_inventory(), _Digest(path)
        folder = self.listed(list_folder, path)
        for line in folder.notes:
            say(line)
        files = folder.files()
        known = sum(inventory.sizes().values()) + inventory.skipped
        if list(folder.classes) != inventory.classes or len(files) != known:
            raise self.changed()
        say(f"reading {len(files):,} images in {printable(path)}")
        key = path, self.image_size, inventory.checksum
        every, faults = _decoded.pop(key, (None, {}))
        if every is None:
            every, faults = read_readable(files, self.image_size, say, digest.add)
            if faults and not self.skip_unreadable:
                raise unreadable(faults, len(files))
            if digest.hexdigest() != inventory.checksum:
                raise self.changed()
        folder = folder.without(faults)
        for file, reason in faults.items():
            say(f"left out: {printable(file)} ({reason})")
        places = {
            split: [file.relative_to(path).as_posix() for file, _ in listed]
            for split, listed in folder.splits.items()
        }
        parts = np.split(every, np.cumsum([len(listed) for listed in places.values()])[:-1])
        return SourceImages(
            images=dict(zip(places, parts, strict=True)),
            labels={
                split: np.array([number for _, number in listed], np.uint8)
                for split, listed in folder.splits.items()
            },
            files=places,
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
