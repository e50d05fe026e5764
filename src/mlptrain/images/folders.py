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
from mlptrain.images.scan import ENDINGS, archive, images_below, levels_below, read_folder, table

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
    """Images or arrays that do not fit: what was received and where, and what to do about it."""

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
        notes: one line about each kind of thing that is left out.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, Labeled]
    notes: tuple[str, ...]

    def files(self) -> list[Path]:
        """Return the files of all splits, one split after another."""
        return [file for listed in self.splits.values() for file, _ in listed]

    def without(self, files: Container[Path]) -> ImageFolder:
        """Return the folder without some files."""
        splits = self.splits.items()
        return replace(self, splits={s: [i for i in v if i[0] not in files] for s, v in splits})


def list_folder(root: Path) -> ImageFolder:
    """List the images of `root/CLASS/`, or of `root/train/CLASS/` and its `val/` and `test/`.

    Raises:
        ImageProblemError: fewer than two classes, or images that would be left out or mixed up.
    """
    survey = _Survey(root)
    folders = survey.split_folders()
    files = {split: survey.classes(folder) for split, folder in folders.items()}
    if len(files["train"]) < 2:
        raise survey.too_few_classes(folders["train"], list(files["train"]))
    classes = sorted_classes(files["train"])
    for split, folder in folders.items():
        if unknown := sorted(set(files[split]) - set(classes)):
            raise ImageProblemError(
                f"{folder / unknown[0]}, which is not a class of {folders['train']}",
                "use the same class folders in every split, or move these images elsewhere; "
                "`mlptrain predict` classifies images without labels",
            )
    splits = {split: _labeled(listed, enumerate(classes)) for split, listed in files.items()}
    return ImageFolder(tuple(classes), splits, tuple(survey.notes()))


def label_folder(root: Path, class_names: Sequence[str]) -> tuple[Labeled, list[str]]:
    """List the images of `root/CLASS/` with their class; every folder must be a class.

    A folder may be called by the number of its class, unless there are classes whose names are
    numbers. The lines about what is left out are returned as well.

    Raises:
        ImageProblemError: no images of these classes, or images beside them.
    """
    survey = _Survey(root)
    files = survey.classes(root)
    numbers = [(number, _composed(name)) for number, name in enumerate(class_names)]
    if not any(name.isdecimal() for name in class_names):
        numbers = [item for n, name in numbers for item in ((n, name), (n, str(n)))]
    names = {name for _, name in numbers}
    if not set(files) & names:
        expected = ", ".join(class_names[:20]) + (", …" if len(class_names) > 20 else "")
        action = "name the folders after the classes; `mlptrain predict` needs no classes"
        better = root.parent if survey.images and _composed(root.name) in names else None
        if better := survey.splits().get("test", better):
            place = f"--data {shlex.quote(str(better))}"
            action = f"name the folder whose folders are the classes: {place}"
        raise ImageProblemError(f"{root}: no images in folders named {expected}", action)
    if others := sorted(set(files) - names):
        raise ImageProblemError(
            f"{root}: also {', '.join(others[:5])}, with images",
            "rename them, or move them elsewhere: their images would be left out of the figures",
        )
    return _labeled(files, numbers), survey.notes()


def sorted_classes(names: Iterable[str]) -> list[str]:
    """Return class names sorted as text, or as numbers where all of them are numbers."""
    listed = sorted(names)
    are_numbers = all(re.fullmatch(r"[-+]?\d+(\.\d+)?", name) for name in listed)
    return sorted(listed, key=float) if are_numbers else listed


class _Survey:
    """What is at a root, and what of it is left out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.content = cache(read_folder)
        if fault := self.content(root).fault:
            raise ImageProblemError(f"{root}: {fault}", "make the folder readable")
        self.folders, self.images = self.content(root).folders, self.content(root).images
        self.reasons: dict[Path, str] = {}  # to leave something out

    def notes(self) -> list[str]:
        """Return one line for each reason to leave something out."""
        paths: dict[str, list[Path]] = {}
        for path, reason in self.reasons.items():
            paths.setdefault(reason, []).append(path)
        return [f"left out: {_several(listed)} ({reason})" for reason, listed in paths.items()]

    def split_folders(self) -> dict[str, Path]:
        """Return the folder of each split that there is; without any, the root is that of train."""
        splits = self.splits()
        others = [folder for folder in self.folders if folder not in splits.values()]
        direct = [folder for folder in others if self.content(folder).images]
        flat = [folder for split in SPLITS for folder in direct if _split_of(folder) == split]
        # A class may be called train.
        if (flat and flat == direct) or any(f.name.lower() not in SPLITS["train"] for f in flat):
            raise self._without_classes(flat[0], splits.get("train"))
        if not splits:
            return {"train": self.root}
        if (train := splits.get("train")) is None:
            present = ", ".join(sorted(folder.name for folder in splits.values()))
            action = f"move the class folders of the training images into {self.root / 'train'}"
            raise ImageProblemError(f"{self.root}: {present}, but no folder train", action)
        self._refuse(others, f"beside {train}", "a class of a split (train, val or test)")
        self.reasons |= {folder: "no images" for folder in others if _split_of(folder)}
        self._leave_out_direct(self.root)
        return {split: splits[split] for split in SPLITS if split in splits}

    def splits(self) -> dict[str, Path]:
        """Return the folders that are splits: named as one, with folders of images in them."""
        splits: dict[str, Path] = {}
        for folder in self.folders:
            split = _split_of(folder)
            if split and images_below(self.content, *self.content(folder).folders):
                _add(splits, split, folder, "one split")
        return splits

    def classes(self, folder: Path) -> dict[str, list[Path]]:
        """Return class → its image files, sorted."""
        classes: dict[str, list[Path]] = {}
        places: dict[str, Path] = {}
        nested: list[Path] = []
        self._leave_out_direct(folder)
        for place in self.content(folder).folders:
            content, name = self.content(place), _composed(place.name)
            unread = content.unread | content.links
            if not content.images and [_says_no_class(f) for f in content.folders] == [True]:
                content = self.content(content.folders[0])
                unread |= content.unread | content.links
            self.reasons |= unread
            nested += content.folders
            if content.images and _says_no_class(place):
                raise self._without_classes(place)
            if content.images:
                _add(places, name, place, f"{name}, which differ only in how accents are written")
                classes[name] = content.images
            elif unread:
                first, reason = next(iter(unread.items()))
                problem = f"{place}: no image that can be read, but {first.name} ({reason})"
                action = f"convert its images to {', '.join(ENDINGS)}, with such an ending"
                raise ImageProblemError(problem, action)
            elif not images_below(self.content, *content.folders):
                self.reasons[place] = content.fault or "no images"
        if classes:
            self._refuse(nested, "in folders below those of the classes", "the folder of a class")
        return classes

    def too_few_classes(self, folder: Path, classes: Sequence[str]) -> ImageProblemError:
        """Return the error for a folder with fewer than two classes; names what is there."""
        files = [*self.content(folder).others, *self.content(self.root).others]
        images, fitting = images_below(self.content, folder), self._fitting()
        received = f"one folder with images ({classes[0]})" if classes else "no folders with images"
        if fitting is not None:
            place = typed_override("data.path", fitting)
            action = f"name the folder whose folders are the classes: {place}"
        elif images and not classes:
            action = f"put the images of each class into one folder; there is {images[0]}"
            action += self._table_hint(folder) if images[0].parent in (folder, self.root) else ""
        elif packed := archive(files):
            action = f"unpack {packed}, and name the folder whose folders are the classes"
        else:
            received += f", but {files[0].name}" if files and not classes else ""
            action = "give the images of each class a folder of their own, for two classes or more"
        return ImageProblemError(f"{folder}: {received}", action)

    def _refuse(self, folders: Sequence[Path], place: str, to: str) -> None:
        """Refuse images that would be left out."""
        if images := images_below(self.content, *folders):
            received = f"{_several(images)} {place}, which would be left out"
            raise ImageProblemError(received, f"move them into {to}, or elsewhere")

    def _without_classes(self, folder: Path, train: Path | None = None) -> ImageProblemError:
        action = f"sort them into one folder per class{self._table_hint(folder)}"
        if train is not None:
            action += f", or name the training images alone: {typed_override('data.path', train)}"
        action += (
            "; the folder of an image is its class, and needs another name than a split "
            "(boxes and masks are not read, and `mlptrain predict` needs no classes)"
        )
        return ImageProblemError(f"{folder}: images without folders of their classes", action)

    def _table_hint(self, folder: Path) -> str:
        """Return where the labels may be; the page that every error names has a script for it."""
        places = (folder, folder.parent, self.root)
        labels = table(file for place in places for file in self.content(place).others)
        return f", with the script for a table of labels such as {labels.name}" if labels else ""

    def _fitting(self) -> Path | None:
        """Return the nearest folder below, or the one above, that has splits or classes."""
        for level in levels_below(self.content, self.root):
            for folder in sorted(level, key=lambda folder: "train" not in folder.name.casefold()):
                if self._has_classes(folder):
                    return folder.parent if _split_of(folder) == "train" else folder
        above = self.root.parent
        return above if self.images and self._has_classes(above) else None

    def _has_classes(self, folder: Path) -> bool:
        named = [f for f in self.content(folder).folders if not _says_no_class(f)]
        return sum(bool(not _split_of(f) and self.content(f).images) for f in named) > 1

    def _leave_out_direct(self, folder: Path) -> None:
        """Leave out the images directly in a folder of classes or splits."""
        content = self.content(folder)
        self.reasons |= dict.fromkeys(content.images, "not in the folder of a class")
        self.reasons |= content.unread | content.links


def _add(places: dict[str, Path], key: str, folder: Path, what: str) -> None:
    if key in places:
        received = f"{places[key]} and {folder}: two folders of {what}"
        raise ImageProblemError(received, "put their images into one of them")
    places[key] = folder


def _labeled(files: Mapping[str, list[Path]], classes: Iterable[tuple[int, str]]) -> Labeled:
    return [(file, number) for number, name in classes for file in files.get(name, ())]


def _split_of(folder: Path) -> str | None:
    match = _SPLIT_NAME.fullmatch(folder.name)
    return next((s for s, names in SPLITS.items() if match and match[1].lower() in names), None)


def _says_no_class(folder: Path) -> bool:
    return folder.name.casefold() in _NO_CLASS


def _several(paths: Sequence[Path]) -> str:
    return printable(paths[0]) + (f" and {len(paths) - 1:,} more" if len(paths) > 1 else "")


def _composed(name: str) -> str:
    """Return a name with its accents composed; macOS writes é as e and an accent."""
    return unicodedata.normalize("NFC", name)
