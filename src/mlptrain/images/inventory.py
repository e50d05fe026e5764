"""The inventory of own images at `data.path`: classes, counts, checksum.

It becomes part of the composed config, so that everything else follows from the config alone and
two runs have the same identity only if they saw the same images.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlptrain.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np

MOST_CLASSES = 200
"""Labels are uint8, and a confusion matrix of more cannot be read."""

_PARTS = (("x_train", "y_train", "x_test", "y_test"), ("images", "labels"), ("x", "y"))


def with_inventory(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a composed config with `data.inventory` filled in if it uses own images.

    Raises:
        ConfigError: there are no such images; says what was expected there.
    """
    data = plain.get("data")
    if (
        not isinstance(data, Mapping)
        or data.get("name") not in ("folder", "npz")
        or data.get("inventory") is not None
        or not isinstance(data.get("path"), str | None)
    ):
        return dict(plain)  # the schema says what is wrong with it
    return {**plain, "data": {**data, "inventory": take_inventory(data["name"], data["path"])}}


def take_inventory(name: str, path: str | None) -> dict[str, Any]:
    """Return the content of `data.inventory`: classes, counts and checksum.

    Raises:
        ConfigError: there are no such images.
    """
    root = _existing(name, path)
    try:
        stamps = sorted(_stamps(root)) if name == "folder" else [_stamp(root)]
    except OSError as error:
        raise _unreadable(root, error) from None
    return dict(_read(name, root, tuple(stamps)))


def _stamps(root: Path) -> Iterator[tuple[str, int, int]]:
    """Path, time and size of everything that `list_folder` looks at."""
    parts = (root / "train", root / "test") if (root / "train").is_dir() else (root,)
    for folder in (root, *(folder for part in parts for folder in part.glob("*/"))):
        yield _stamp(folder)
        if folder != root:
            yield from (_stamp(file) for file in folder.iterdir() if file.exists())


def _stamp(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _read(name: str, root: Path, stamps: tuple[Any, ...]) -> dict[str, Any]:
    """Read once for all cells of a grid; again when any file of it has changed."""
    return _in_folder(root) if name == "folder" else _in_npz(root)


def _existing(name: str, path: str | None) -> Path:
    try:
        root = None if path is None else Path(path).expanduser()
        if root is not None and (root.is_dir() if name == "folder" else root.is_file()):
            return root
    except (OSError, RuntimeError, ValueError):  # too long a name, ~someone, a null byte
        pass
    what = "a folder with one folder of images per class" if name == "folder" else "an .npz file"
    raise ConfigError(
        f"data.path to name {what}",
        "data.path=null" if path is None else f"data.path={path}, which is not {what}",
        f"mlptrain data={name} data.path=PATH",
    )


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
    """The images of `root/train/CLASS/` and `root/test/CLASS/`, or of `root/CLASS/`.

    Raises:
        ConfigError: fewer than two classes, more than 200, or a test class that train has not.
    """
    split = (root / "train").is_dir()
    train = dict(_class_folders(root / "train" if split else root))
    test = dict(_class_folders(root / "test")) if split else {}
    if not 2 <= len(train) <= MOST_CLASSES:
        raise _wrong(
            "folder",
            f"2 to {MOST_CLASSES} folders with images (PNG, JPEG, WebP, BMP), one per class, in it "
            "or in its train/",
            f"{root}: {len(train)} ({', '.join(list(train)[:5]) or 'none'})",
        )
    if unknown := sorted(set(test) - set(train)):
        raise _wrong(
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


def _in_folder(root: Path) -> dict[str, Any]:
    """The checksum is over every file's place below the root and content."""
    try:
        listed = list_folder(root)
        digest = hashlib.sha256()
        for file, _ in (*listed.train, *listed.test):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            # File names need not be valid text.
            digest.update(
                os.fsencode(file.relative_to(root).as_posix()) + f"\0{content}\n".encode()
            )
    except OSError as error:
        raise _unreadable(root, error) from None
    return {
        "classes": list(listed.classes),
        "train": len(listed.train),
        "test": len(listed.test),
        "checksum": digest.hexdigest(),
    }


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz`: `train_images`, `train_labels`, and where it has them
    `test_images`, `test_labels`, `classes`.

    Raises:
        ConfigError: it holds none of x_train, y_train, x_test, y_test; images, labels; x, y; or
            arrays of another kind. Nothing is unpickled.
    """
    from mlptrain.images.files import load_arrays

    named = ("train_images", "train_labels", "test_images", "test_labels")
    try:
        return load_arrays(path, [dict(zip(named, names, strict=False)) for names in _PARTS])
    except DataError as error:
        raise _wrong("npz", error.expected, error.received) from None


def _in_npz(path: Path) -> dict[str, Any]:
    arrays = read_npz(path)
    labels = [arrays[key] for key in ("train_labels", "test_labels") if key in arrays]
    count = 1 + max(int(part.max()) for part in labels)
    if "classes" in arrays:
        classes = [str(name) for name in arrays["classes"].tolist()]
    else:
        classes = [str(number) for number in range(count)]
    if not count <= len(classes) or not 2 <= len(classes) <= MOST_CLASSES:
        raise _wrong(
            "npz",
            f"labels from 0 on, of 2 to {MOST_CLASSES} classes, each with its name in `classes` "
            "where that is given",
            f"{path}: labels up to {count - 1}, {len(classes)} classes",
        )
    with path.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "classes": classes,
        "train": len(arrays["train_labels"]),
        "test": len(arrays["test_labels"]) if "test_labels" in arrays else 0,
        "checksum": checksum,
    }


def _unreadable(root: Path, error: OSError) -> ConfigError:
    return _wrong("folder", "a folder that can be read", f"{root}: {error}")


def _wrong(name: str, expected: str, received: str) -> ConfigError:
    return ConfigError(expected, received, f"see docs/howto/own_data.md for what data={name} reads")
