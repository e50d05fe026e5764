"""A user's own image files: one folder for each class."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlptrain.datasets.data_settings import MOST_CLASSES
from mlptrain.datasets.own_images import OwnImages, wrong_images

if TYPE_CHECKING:
    import numpy as np


class Data(OwnImages):
    """PNG, JPEG, WebP and BMP files."""

    name: Literal["folder"]
    place = "a folder with one folder of images per class"

    @classmethod
    def is_place(cls, path: Path) -> bool:
        """Return whether it is a folder."""
        return path.is_dir()

    @classmethod
    def watched_paths(cls, path: Path) -> Iterator[Path]:
        """Yield everything that `list_folder` looks at."""
        parts = (path / "train", path / "test") if (path / "train").is_dir() else (path,)
        yield path
        for folder in (folder for part in parts for folder in part.glob("*/")):
            yield folder
            yield from (file for file in folder.iterdir() if file.exists())

    @classmethod
    def count_images(cls, path: Path) -> dict[str, Any]:
        """Take the checksum over every file's place below the folder and its content."""
        try:
            listed = list_folder(path)
            digest = hashlib.sha256()
            for file, _ in (*listed.train, *listed.test):
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                # File names need not be valid text.
                digest.update(
                    os.fsencode(file.relative_to(path).as_posix()) + f"\0{content}\n".encode()
                )
        except OSError as error:
            raise wrong_images("folder", "a folder that can be read", f"{path}: {error}") from None
        return {
            "classes": list(listed.classes),
            "train": len(listed.train),
            "test": len(listed.test),
            "checksum": digest.hexdigest(),
        }

    @classmethod
    def read_images(cls, path: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Decode and resize every file."""
        import numpy as np

        from mlptrain.images.files import load_image

        listed = list_folder(path)
        files = [*listed.train, *listed.test]
        images = np.empty((len(files), side, side, 3), np.uint8)
        for image, (file, _) in zip(images, files, strict=True):
            image[:] = load_image(file, side)
        return images, np.array([label for _, label in files], np.uint8)


@dataclass(frozen=True)
class ImageFolder:
    """Image files by class.

    Attributes:
        classes: the names of the class folders, sorted.
        train: (file, class) of each image, in the order of classes and file names.
        test: likewise; empty where the folder has no test set of its own.
    """

    classes: tuple[str, ...]
    train: list[tuple[Path, int]]
    test: list[tuple[Path, int]]


def list_folder(root: Path) -> ImageFolder:
    """Return the images of `root/train/CLASS/` and `root/test/CLASS/`, or of `root/CLASS/`.

    Raises:
        ConfigError: fewer than two classes, more than 200, or a test class that train has not.
    """
    split = (root / "train").is_dir()
    train = dict(_class_folders(root / "train" if split else root))
    test = dict(_class_folders(root / "test")) if split else {}
    if not 2 <= len(train) <= MOST_CLASSES:
        raise wrong_images(
            "folder",
            f"2 to {MOST_CLASSES} folders with images (PNG, JPEG, WebP, BMP), one per class, in it "
            "or in its train/",
            f"{root}: {len(train)} ({', '.join(list(train)[:5]) or 'none'})",
        )
    if unknown := sorted(set(test) - set(train)):
        raise wrong_images(
            "folder", "test/ to have the classes of train/", f"{root}: test/{unknown[0]} too"
        )
    numbers = {name: number for number, name in enumerate(train)}
    return ImageFolder(
        tuple(train),
        [(file, numbers[name]) for name, files in train.items() for file in files],
        [(file, numbers[name]) for name, files in test.items() for file in files],
    )


def _class_folders(root: Path) -> Iterator[tuple[str, list[Path]]]:
    from mlptrain.images.files import ENDINGS

    if not root.is_dir():
        return
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            files = sorted(
                file
                for file in folder.iterdir()
                if file.suffix.lower() in ENDINGS and file.is_file()
            )
            if files:
                yield folder.name, files
