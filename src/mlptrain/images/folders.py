"""Folders of images: which files belong to which split and class, and what does not fit."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlptrain.errors import printable

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib")
"""Of the files that are read; upper case counts as lower case."""

UNREAD_ENDINGS = (
    ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".ppm", ".pgm", ".pbm",
    ".svg", ".ico", ".tga", ".psd", ".dcm", ".dng", ".cr2", ".nef", ".arw", ".raw",
)  # fmt: skip
"""Of files with images that are not read, which the notes name."""

SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""Split → names of its folder, in any case."""

_SYSTEM = ("__macosx", "lost+found", "$recycle.bin", "system volume information", "@eadir")
_DEEPEST = 3
_MOST_SEARCHED = 1_000
"""Levels, and folders in a level, that are searched: a path may be a home directory."""

Labeled = list[tuple[Path, int]]


class ImageProblemError(ValueError):
    """Images or arrays that do not fit, before it is known who asked for them.

    Attributes:
        received: what is wrong, with the place.
        action: what to do about it.
    """

    def __init__(self, received: str, action: str) -> None:
        super().__init__(received)
        self.received, self.action = printable(received), printable(action)


@dataclass(frozen=True)
class ImageFolder:
    """Image files by split and class.

    Attributes:
        classes: the names of the class folders: numbers in their order, other names sorted.
        splits: split → (file, class) of each image, in the order of classes and file names;
            `train`, and `validation` and `test` where the folder has them.
        notes: one line about each thing that is left out.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, Labeled]
    notes: tuple[str, ...]

    def files(self) -> list[Path]:
        """Return the files of all splits, one split after another."""
        return [file for listed in self.splits.values() for file, _ in listed]

    def without(self, files: Container[Path]) -> ImageFolder:
        """Return the folder without some files."""
        splits = {
            split: [(file, number) for file, number in listed if file not in files]
            for split, listed in self.splits.items()
        }
        return replace(self, splits=splits)


def list_folder(root: Path) -> ImageFolder:
    """List the images of `root/CLASS/`, or of `root/train/CLASS/` and its `val/` and `test/`.

    Raises:
        ImageProblemError: fewer than two classes, or images that would be left out or mixed up.
        OSError: the folder cannot be read.
    """
    notes: list[str] = []
    folders = _split_folders(root, notes)
    files = {split: _class_files(folder, notes) for split, folder in folders.items()}
    if len(files["train"]) < 2:
        action = "put the images of each class into a folder of their own, for two classes or more"
        if (fitting := _fitting_below(root)) is not None:
            action = f"name the folder whose folders are the classes: data.path={fitting}"
        elif (image := _image_below(folders["train"])) is not None:
            action = f"put the images of each class into one folder; there is {image}"
        listed = ", ".join(files["train"]) or "none"
        raise ImageProblemError(
            f"{folders['train']}: {len(files['train'])} classes ({listed})", action
        )
    classes = sorted_classes(files["train"])
    numbers = {name: number for number, name in enumerate(classes)}
    for split, by_class in files.items():
        if unknown := sorted(set(by_class) - set(numbers)):
            raise ImageProblemError(
                f"{folders[split] / unknown[0]}, which is not a class of {folders['train']}",
                "use the same class folders in every split, or move these images elsewhere",
            )
    return ImageFolder(
        tuple(classes),
        {split: _labeled(by_class, numbers) for split, by_class in files.items()},
        tuple(notes),
    )


def label_folder(root: Path, class_names: Sequence[str]) -> Labeled:
    """List the images of `root/CLASS/` with their class; every folder must be a class.

    Args:
        root: the folder.
        class_names: of class 0, 1, …; a folder may be called by the number of its class instead,
            unless there are classes whose names are numbers.

    Raises:
        ImageProblemError: no images of these classes, or images beside them.
        OSError: the folder cannot be read.
    """
    files = _class_files(root, [])
    numbers = {_composed(name): number for number, name in enumerate(class_names)}
    if not any(name.isdecimal() for name in class_names):
        numbers |= {str(number): number for number in range(len(class_names))}
    expected = ", ".join(class_names[:20]) + (", …" if len(class_names) > 20 else "")
    if not set(files) & set(numbers):
        action = f"name the folders after the classes: {expected}"
        if test := _splits_below(root).get("test"):
            action = f"name the folder of a split: --data {test}"
        raise ImageProblemError(f"{root}: no images in folders named {expected}", action)
    if others := sorted(set(files) - set(numbers)):
        raise ImageProblemError(
            f"{root}: also {', '.join(others[:5])}, with images",
            "rename them, or move them elsewhere: their images would be left out of the figures",
        )
    return sorted(_labeled(files, numbers), key=lambda item: item[1])


def sorted_classes(names: Iterable[str]) -> list[str]:
    """Return class names sorted as text, or as numbers where all of them are numbers."""
    listed = sorted(names)
    if all(name.isdecimal() for name in listed):
        listed.sort(key=int)
    return listed


def _labeled(files: Mapping[str, list[Path]], numbers: Mapping[str, int]) -> Labeled:
    names = [name for name in numbers if name in files]
    return [(file, numbers[name]) for name in names for file in files[name]]


def _split_folders(root: Path, notes: list[str]) -> dict[str, Path]:
    """Return the folder of each split that there is; without any, the root is that of train."""
    splits = _splits_below(root)
    others = [folder for folder in _scan(root)[0] if folder not in splits.values()]
    for folder in others:
        if _split_named(folder) in ("validation", "test") and any(_images(folder)):
            raise ImageProblemError(
                f"{folder}: images without folders of their classes",
                "sort them into one folder per class, or move them elsewhere; `mlptrain predict` "
                "classifies images without labels",
            )
    if not splits:
        return {"train": root}
    if "train" not in splits:
        present = ", ".join(sorted(folder.name for folder in splits.values()))
        raise ImageProblemError(
            f"{root}: {present}, but no folder train",
            f"move the class folders of the training images into {root / 'train'}",
        )
    for folder in others:
        if (image := _image_below(folder)) is not None:
            raise ImageProblemError(
                f"{image}: an image beside {splits['train']}, which would be left out",
                "move it into a class of a split, or elsewhere",
            )
    _note_files(root, (*ENDINGS, *UNREAD_ENDINGS), "not in the folder of a class", notes)
    return {split: splits[split] for split in SPLITS if split in splits}


def _splits_below(root: Path) -> dict[str, Path]:
    """Return the folders that are splits: named as one, with folders of images in them."""
    splits: dict[str, Path] = {}
    for folder in _scan(root)[0]:
        split = _split_named(folder)
        if split is None or all(_image_below(below) is None for below in _scan(folder)[0]):
            continue
        if split in splits:
            raise ImageProblemError(
                f"{splits[split]} and {folder}: two folders of one split",
                "put their images into one of them",
            )
        splits[split] = folder
    return splits


def _split_named(folder: Path) -> str | None:
    name = folder.name.casefold()
    return next((split for split, names in SPLITS.items() if name in names), None)


def _class_files(root: Path, notes: list[str]) -> dict[str, list[Path]]:
    """Return class → its image files, sorted.

    Raises:
        ImageProblemError: images in folders below those of the classes, or a class of which no
            image can be read.
    """
    classes: dict[str, list[Path]] = {}
    nested: Path | None = None
    _note_files(root, (*ENDINGS, *UNREAD_ENDINGS), "not in the folder of a class", notes)
    for folder in _scan(root)[0]:
        try:
            files = _images(folder)
            unread = _note_files(folder, UNREAD_ENDINGS, "a format that is not read", notes)
            nested = nested or next(filter(None, map(_image_below, _scan(folder)[0])), None)
        except PermissionError as error:
            notes.append(f"left out: {printable(folder)} ({error.strerror})")
            continue
        name = _composed(folder.name)
        if name in classes:
            raise ImageProblemError(
                f"{root}: two folders called {name}, which differ only in how accents are written",
                "put their images into one of them",
            )
        if files:
            classes[name] = files
        elif unread:
            raise ImageProblemError(
                f"{folder}: no image that can be read, but {unread[0].name}",
                f"convert its images to one of {', '.join(ENDINGS)}",
            )
        elif nested is None:
            notes.append(f"left out: {printable(folder)} (no images)")
    if classes and nested is not None:
        raise ImageProblemError(
            f"{nested}: an image in a folder below the folders of the classes",
            "move the images of each class into one folder, without further folders",
        )
    return classes


def _note_files(
    folder: Path, endings: Sequence[str], reason: str, notes: list[str]
) -> Sequence[Path]:
    """Note the files of a folder with these endings, which are left out, and return them."""
    files = [file for file in _scan(folder)[1] if file.suffix.lower() in endings]
    if files:
        more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
        notes.append(f"left out: {printable(files[0])}{more} ({reason})")
    return files


def _fitting_below(root: Path) -> Path | None:
    """Return the nearest folder below that has splits or classes, to suggest it."""
    level = [root]
    for _ in range(_DEEPEST):
        level = [below for folder in level for below in _readable(folder)][:_MOST_SEARCHED]
        for folder in sorted(level, key=lambda folder: "train" not in folder.name.casefold()):
            if sum(map(_has_images, _readable(folder))) > 1:
                return folder.parent if _split_named(folder) == "train" else folder
    return None


def _readable(folder: Path) -> list[Path]:
    try:
        return _scan(folder)[0]
    except OSError:
        return []


def _has_images(folder: Path) -> bool:
    try:
        return bool(_images(folder))
    except OSError:
        return False


def _image_below(folder: Path) -> Path | None:
    """Return an image file at or a few levels below a folder, if there is one."""
    level = [folder]
    for _ in range(_DEEPEST):
        for path in level:
            if _has_images(path):
                return _images(path)[0]
        level = [below for path in level for below in _readable(path)][:_MOST_SEARCHED]
    return None


def _images(folder: Path) -> list[Path]:
    return [file for file in _scan(folder)[1] if file.suffix.lower() in ENDINGS]


def _scan(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the visible folders and regular files of a folder, sorted."""
    with os.scandir(folder) as entries:
        visible = sorted((e for e in entries if _is_visible(e.name)), key=lambda e: e.name)
    return (
        [Path(entry.path) for entry in visible if entry.is_dir()],
        [Path(entry.path) for entry in visible if entry.is_file()],
    )


def _is_visible(name: str) -> bool:
    """Return whether an entry is the user's, not hidden or put there by a system."""
    return not name.startswith(".") and name.casefold() not in _SYSTEM


def _composed(name: str) -> str:
    """Return a name with its accents composed; macOS writes é as e and an accent."""
    return unicodedata.normalize("NFC", name)
