"""Folders of images: which files belong to which split and class, and what does not fit."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from mlptrain.errors import printable
from mlptrain.formatting import typed_override
from mlptrain.images.scan import (
    DEEPEST,
    ENDINGS,
    MOST_SEARCHED,
    Scan,
    archive,
    content_of,
    disguised_images,
    image_below,
    scan_folder,
    table,
)

SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""Split → names of its folder, in any case; `train_images`, `Test Set`, `val2017` count as well."""

_SPLIT_NAME = re.compile(
    rf"(?:(?:images?|imgs?|data)[\W_]*)?({'|'.join(n for names in SPLITS.values() for n in names)})"
    r"(?:[\W_]*(?:sets?|images?|imgs?|data))?[\W_\d]*",
    re.IGNORECASE,
)
_NO_CLASS = ("images", "image", "imgs", "img", "jpegimages")
"""Names of folders of images that say nothing about their class."""

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
    scan: Scan = cache(scan_folder)
    notes: list[str] = []
    folders = _split_folders(root, scan, notes)
    train = _class_files(folders["train"], scan, notes)
    if len(train) < 2:
        raise _too_few_classes(root, folders["train"], list(train), scan)
    classes = sorted_classes(train)
    numbers = {name: number for number, name in enumerate(classes)}
    splits = {"train": _labeled(train, numbers)}
    for split, folder in folders.items():
        if split == "train":
            continue
        files = _class_files(folder, scan, notes)
        if unknown := sorted(set(files) - set(numbers)):
            raise ImageProblemError(
                f"{folder / unknown[0]}, which is not a class of {folders['train']}",
                "use the same class folders in every split, or move these images elsewhere; "
                "`mlptrain predict` classifies images without labels",
            )
        splits[split] = _labeled(files, numbers)
    return ImageFolder(tuple(classes), splits, tuple(notes))


def label_folder(root: Path, class_names: Sequence[str], notes: list[str] | None = None) -> Labeled:
    """List the images of `root/CLASS/` with their class; every folder must be a class.

    Args:
        root: the folder.
        class_names: of class 0, 1, …; a folder may be called by the number of its class instead,
            unless there are classes whose names are numbers.
        notes: gets one line about each thing that is left out.

    Raises:
        ImageProblemError: no images of these classes, or images beside them.
        OSError: the folder cannot be read.
    """
    scan: Scan = cache(scan_folder)
    files = _class_files(root, scan, [] if notes is None else notes)
    numbers = {_composed(name): number for number, name in enumerate(class_names)}
    if not any(name.isdecimal() for name in class_names):
        numbers |= {str(number): number for number in range(len(class_names))}
    expected = ", ".join(class_names[:20]) + (", …" if len(class_names) > 20 else "")
    if not set(files) & set(numbers):
        action = f"name the folders after the classes: {expected}"
        if scan(root).images:
            action = "sort the images into such folders; `mlptrain predict` needs no classes"
            if _composed(root.name) in numbers:
                action = f"name the folder above it: --data {shlex.quote(str(root.parent))}"
        if test := _splits_below(root, scan).get("test"):
            action = f"name the folder of a split: --data {shlex.quote(str(test))}"
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


def _split_folders(root: Path, scan: Scan, notes: list[str]) -> dict[str, Path]:
    """Return the folder of each split that there is; without any, the root is that of train."""
    splits = _splits_below(root, scan)
    others = [folder for folder in scan(root).folders if folder not in splits.values()]
    flat = [f for f in others if _split_named(f) and content_of(f, scan).images]
    flat.sort(key=lambda folder: list(SPLITS).index(str(_split_named(folder))))
    if any(_split_named(f) != "train" or f.name.casefold() not in SPLITS["train"] for f in flat):
        action = f"sort them into one folder per class{_table_hint((flat[0], root), scan)}"
        if "train" in splits:
            alone = typed_override("data.path", splits["train"])
            action += f", or name the training images alone: {alone}"
        raise ImageProblemError(
            f"{flat[0]}: images without folders of their classes",
            f"{action}; `mlptrain predict` classifies images without labels, and a class needs "
            "another name than a split",
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
        if (image := image_below(folder, scan)) is not None:
            raise ImageProblemError(
                f"{image}: an image beside {splits['train']}, which would be left out",
                "move it into a class of a split (train, val or test), or elsewhere",
            )
        if _split_named(folder):
            notes.append(f"left out: {printable(folder)} (no images)")
    _note_files(_stray_images(root, scan), notes)
    return {split: splits[split] for split in SPLITS if split in splits}


def _splits_below(root: Path, scan: Scan) -> dict[str, Path]:
    """Return the folders that are splits: named as one, with folders of images in them."""
    splits: dict[str, Path] = {}
    for folder in scan(root).folders:
        split = _split_named(folder)
        if split is None or not any(image_below(f, scan) for f in content_of(folder, scan).folders):
            continue
        if split in splits:
            raise ImageProblemError(
                f"{splits[split]} and {folder}: two folders of one split",
                "put their images into one of them",
            )
        splits[split] = folder
    return splits


def _split_named(folder: Path) -> str | None:
    match = _SPLIT_NAME.fullmatch(folder.name)
    return next((s for s, names in SPLITS.items() if match and match[1].lower() in names), None)


def _class_files(root: Path, scan: Scan, notes: list[str]) -> dict[str, list[Path]]:
    """Return class → its image files, sorted.

    Raises:
        ImageProblemError: images in folders below those of the classes, or a class of which no
            image can be read.
    """
    classes: dict[str, list[Path]] = {}
    nested: Path | None = None
    _note_files(_stray_images(root, scan), notes)
    for folder in scan(root).folders:
        try:
            content = scan(folder)
        except PermissionError as error:
            notes.append(f"left out: {printable(folder)} ({error.strerror})")
            continue
        nested = nested or next(
            filter(None, (image_below(below, scan) for below in content.folders)), None
        )
        unread = content.unread | content.links | disguised_images(content.others)
        _note_files(unread, notes)
        name = _composed(folder.name)
        if name in classes:
            raise ImageProblemError(
                f"{root}: two folders called {name}, which differ only in how accents are written",
                "put their images into one of them",
            )
        if content.images and name.casefold() in _NO_CLASS:
            raise ImageProblemError(
                f"{folder}: images without folders of their classes",
                f"sort them into one folder per class{_table_hint((folder, root), scan)}; "
                "the class of an image is its folder, while boxes and masks are not read",
            )
        if content.images:
            classes[name] = content.images
        elif unread:
            first, reason = next(iter(unread.items()))
            raise ImageProblemError(
                f"{folder}: no image that can be read, but {first.name} ({reason})",
                f"convert its images to {', '.join(ENDINGS)}, with such an ending",
            )
        elif nested is None:
            notes.append(f"left out: {printable(folder)} (no images)")
    if classes and nested is not None:
        raise ImageProblemError(
            f"{nested}: an image in a folder below the folders of the classes",
            "move the images of each class into one folder, without further folders",
        )
    return classes


def _too_few_classes(
    root: Path, folder: Path, classes: Sequence[str], scan: Scan
) -> ImageProblemError:
    """Return the error for a folder with fewer than two classes; names what is there instead."""
    files = [*scan(folder).others, *scan(root).others]
    received = f"one folder with images ({classes[0]})" if classes else "no folders with images"
    if (fitting := _fitting_below(root, scan)) is not None:
        action = (
            f"name the folder whose folders are the classes: {typed_override('data.path', fitting)}"
        )
    elif classes:
        action = "put the images of every other class into a folder beside it"
    elif (image := image_below(folder, scan)) is not None:
        hint = _table_hint((folder, root), scan) if image.parent in (folder, root) else ""
        action = f"put the images of each class into one folder; there is {image}{hint}"
        if image.parent == root and _has_classes(root.parent, scan):
            above = typed_override("data.path", root.parent)
            action += f"; if this is the folder of one class, name the one above it: {above}"
    elif (packed := archive(files)) is not None:
        action = f"unpack {packed}, and name the folder whose folders are the classes"
    else:
        received += f", but {files[0].name}" if files else ""
        action = "put the images of each class into a folder of their own, for two classes or more"
    return ImageProblemError(f"{folder}: {received}", action)


def _table_hint(folders: Iterable[Path], scan: Scan) -> str:
    """Return where the labels may be; the page that every error names has a script for it."""
    for folder in folders:
        if (labels := table(scan(folder).others)) is not None:
            return f", with the script for a table of labels such as {labels.name}"
    return ""


def _stray_images(folder: Path, scan: Scan) -> dict[Path, str]:
    """Return the images directly in a folder of classes or splits, with the reason."""
    content = scan(folder)
    images = [*content.images, *disguised_images(content.others)]
    return dict.fromkeys(images, "not in the folder of a class") | content.unread | content.links


def _note_files(unread: Mapping[Path, str], notes: list[str]) -> None:
    """Note the files that are left out, in one line for each reason."""
    for reason in dict.fromkeys(unread.values()):
        first, *more = [path for path, why in unread.items() if why == reason]
        others = f" and {len(more):,} more" if more else ""
        notes.append(f"left out: {printable(first)}{others} ({reason})")


def _fitting_below(root: Path, scan: Scan) -> Path | None:
    """Return the nearest folder below that has splits or classes, to suggest it."""
    level = [root]
    for _ in range(DEEPEST):
        level = [below for f in level for below in content_of(f, scan).folders][:MOST_SEARCHED]
        for folder in sorted(level, key=lambda folder: "train" not in folder.name.casefold()):
            if _has_classes(folder, scan):
                return folder.parent if _split_named(folder) == "train" else folder
    return None


def _has_classes(root: Path, scan: Scan) -> bool:
    classes = (
        folder
        for folder in content_of(root, scan).folders
        if _split_named(folder) is None and folder.name.casefold() not in _NO_CLASS
    )
    return sum(bool(content_of(folder, scan).images) for folder in classes) > 1


def _composed(name: str) -> str:
    """Return a name with its accents composed; macOS writes é as e and an accent."""
    return unicodedata.normalize("NFC", name)
