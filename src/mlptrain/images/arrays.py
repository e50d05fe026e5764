"""Images and labels in NumPy files, under the names that people give them."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlptrain.errors import printable
from mlptrain.images.folders import SPLITS, ImageProblemError, sorted_classes

_MOST_BYTES = 4 << 30
_SPLIT = "|".join(name for names in SPLITS.values() for name in names)
_IMAGES = "x|images?|imgs?|data|pixels|features|inputs?"
_LABELS = "y|labels?|targets?"
_NAME = re.compile(
    rf"(?:(?P<before>{_SPLIT})_?)?(?:(?P<images>{_IMAGES})|(?P<labels>{_LABELS}))"
    rf"(?:_?(?P<after>{_SPLIT}))?"
)
_CLASS_NAMES = ("classes", "class_names", "classnames", "label_names", "target_names")


@dataclass(frozen=True)
class LabeledArrays:
    """Images and labels by split, as they are in a file.

    Attributes:
        splits: split → images uint8 (n, rows, columns) or (n, rows, columns, 1 or 3), and their
            labels int64 (n,), from 0 on. Arrays that name no split are `train`.
        classes: the name of class 0, 1, …
        notes: one line about each thing that is left out.
        image_names: split → the name of the array of its images; empty for single arrays.
    """

    splits: Mapping[str, tuple[np.ndarray, np.ndarray]]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    image_names: Mapping[str, str] = field(default_factory=dict)


def read_npz(path: Path, class_names: Sequence[str] | None = None) -> LabeledArrays:
    """Read images and labels by the names of their arrays; nothing is unpickled.

    Args:
        path: the file.
        class_names: of a trained model, whose numbers the labels are to have.

    Raises:
        ImageProblemError: it is no such file, the names do not tell images and labels, or the
            arrays are of another kind; says which line of NumPy mends it.
    """
    stored = _stored(path)
    names, stored_classes, others = _assigned(path, stored)
    labels = {}
    for split, (images_name, labels_name) in names.items():
        _check_images(path, images_name, stored[images_name])
        labels[split] = _plain_labels(path, labels_name, stored[labels_name])
        count, number = len(stored[images_name]), len(labels[split])
        if count != number:
            raise ImageProblemError(
                f"{path}: {number} labels in {labels_name} for {count} images in {images_name}",
                "save one label for each image",
            )
    label_name = next(iter(names.values()))[1]
    numbered, classes = _numbered(path, label_name, labels, stored_classes, class_names)
    notes = [f"left out: the array {printable(name)}" for name in others]
    splits = {
        split: (stored[images_name].astype(np.uint8, copy=False), numbered[split])
        for split, (images_name, _) in names.items()
    }
    image_names = {split: images_name for split, (images_name, _) in names.items()}
    return LabeledArrays(splits, classes, tuple(notes), image_names)


def read_npy_pair(images: Path, labels: Path, class_names: Sequence[str]) -> LabeledArrays:
    """Read a file of images and a file of labels, as `train`.

    Args:
        images: the file of the images.
        labels: that of the labels.
        class_names: of a trained model, whose numbers the labels are to have.

    Raises:
        ImageProblemError: one of them is no such file, or holds arrays of another kind.
    """
    pictures, numbers = _npy(images), _npy(labels)
    _check_images(images, "images", pictures)
    plain = _plain_labels(labels, "labels", numbers)
    if len(pictures) != len(plain):
        raise ImageProblemError(
            f"{images}: {len(plain)} labels in {labels} for {len(pictures)} images",
            "save one label for each image",
        )
    numbered, classes = _numbered(labels, "labels", {"train": plain}, None, class_names)
    pair = pictures.astype(np.uint8, copy=False), numbered["train"]
    return LabeledArrays({"train": pair}, classes, ())


def check_regular(path: Path) -> os.stat_result:
    """Return what the system says of a file or folder.

    Raises:
        ValueError: it is a pipe or a device, which would be waited on for ever.
        OSError: there is none.
    """
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ValueError("a pipe, socket or device, not a regular file")
    return status


def reason_of(error: Exception) -> str:
    """Return the first line of an error from a parser."""
    reason = getattr(error, "strerror", None) or str(error).strip()
    return (reason.splitlines() or [type(error).__name__])[0][:200]


def _stored(path: Path) -> dict[str, np.ndarray]:
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MOST_BYTES:
            raise ValueError(f"{size:,} bytes when unpacked")
        # Opened here: NumPy would leave a damaged archive's file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {}
            for name in stored.files:
                if _is_known(name):
                    arrays[name] = stored[name]
                    if not isinstance(arrays[name], np.ndarray):
                        raise ValueError(f"{name} is not an array")
                else:
                    arrays[name] = np.empty(0)
            return arrays
    except Exception as error:  # a parser of hostile bytes raises whatever it meets
        raise ImageProblemError(
            f"{path}: {reason_of(error)}", "write it with np.savez(PATH, images=…, labels=…)"
        ) from None


def _npy(path: Path) -> np.ndarray:
    try:
        check_regular(path)
        # One array, not an archive under its name: of a damaged one NumPy leaves the file open.
        with path.open("rb") as stream:
            np.lib.format.read_magic(stream)
        # Mapped first: the header alone says how large the array would be.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if mapped.nbytes > _MOST_BYTES:
            raise ValueError(f"{mapped.nbytes:,} bytes")
        return np.asarray(mapped)
    except Exception as error:  # as above
        raise ImageProblemError(
            f"{path}: {reason_of(error)}", "write it with np.save(PATH, array)"
        ) from None


def _is_known(name: str) -> bool:
    return name.lower() in _CLASS_NAMES or _NAME.fullmatch(name.lower()) is not None


def _assigned(
    path: Path, stored: Mapping[str, np.ndarray]
) -> tuple[dict[str, tuple[str, str]], list[str] | None, list[str]]:
    """Return split → names of its images and labels, the names of classes, and other arrays."""
    parts: dict[tuple[str, str], str] = {}
    class_names: list[str] | None = None
    others: list[str] = []
    for name, array in stored.items():
        match = _NAME.fullmatch(name.lower())
        if name.lower() in _CLASS_NAMES and array.dtype.kind in "US":
            class_names = [_text(value) for value in array.reshape(-1).tolist()]
        elif match is None or (match["before"] and match["after"]):
            others.append(name)
        else:
            word = match["before"] or match["after"]
            split = next((s for s, names in SPLITS.items() if word in names), "train")
            key = split, "images" if match["images"] else "labels"
            if key in parts:
                raise ImageProblemError(
                    f"{path}: both {parts[key]} and {name} name the {key[1]} of {split}",
                    _fixed(path, f"del a[{name!r}]"),
                )
            parts[key] = name
    splits = [split for split in SPLITS if (split, "images") in parts or (split, "labels") in parts]
    for split in splits:
        for has, lacks in (("images", "labels"), ("labels", "images")):
            if (split, lacks) not in parts:
                raise ImageProblemError(
                    f"{path}: {parts[split, has]} without {lacks}, among "
                    f"{', '.join(list(stored)[:10])}",
                    f"save its {lacks} too, as {split}_{lacks}",
                )
    if "train" not in splits:
        raise ImageProblemError(
            f"{path}: it holds {', '.join(list(stored)[:10]) or 'nothing'}",
            "call the arrays images and labels, or x_train, y_train, x_test and y_test",
        )
    pairs = {split: (parts[split, "images"], parts[split, "labels"]) for split in splits}
    return pairs, class_names, others


def _check_images(path: Path, name: str, images: np.ndarray) -> None:
    """Check that images are (n, rows, columns[, 1 or 3]) of whole numbers from 0 to 255."""
    shape = f"{name} {images.dtype} {images.shape}"
    place = f"{path}: {shape}"
    array = f"a[{name!r}]"
    if not images.size:
        raise ImageProblemError(f"{place}, no images", "save images in it")
    if images.ndim == 4 and images.shape[3] not in (1, 3):
        if images.shape[1] in (1, 3):
            change = f"{array} = np.moveaxis({array}, 1, -1)"
            raise ImageProblemError(f"{place}, with channels first", _fixed(path, change))
        if images.shape[3] == 4:
            change = f"{array} = {array}[..., :3]"
            raise ImageProblemError(f"{place}, with four channels", _fixed(path, change))
    if images.ndim == 2 and (layout := _layout(images.shape[1])):
        change = f"{array} = {array}.reshape({layout})"
        raise ImageProblemError(f"{place}, one row per image", _fixed(path, change))
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))):
        raise ImageProblemError(
            f"{place}, not (n, rows, columns) or (n, rows, columns, 3)", "save them in that shape"
        )
    if images.dtype.kind not in "uif":
        raise ImageProblemError(f"{place}, not numbers", "save them as uint8 from 0 to 255")
    low, high = float(images.min()), float(images.max())
    span = f"{place}, from {low:g} to {high:g}"
    if high == low == 0:
        raise ImageProblemError(f"{place}, in which every pixel is 0", "save them once more")
    if not (low >= 0 and high <= 65535):
        change = f"{array} = np.interp({array}, (LOWEST, HIGHEST), (0, 255)).astype(np.uint8)"
        raise ImageProblemError(span, _fixed(path, change))
    if high <= 1:
        change = f"{array} = ({array} * 255.0).round().astype(np.uint8)"
        raise ImageProblemError(f"{span}, which would be black", _fixed(path, change))
    if images.dtype.kind == "f":
        change = f"{array} = {array}.round().astype(np.uint8)"
        if high <= 255:
            raise ImageProblemError(f"{span}, not uint8", _fixed(path, change))
    if high > 255:
        change = f"{array} = ({array} * (255 / {high:g})).round().astype(np.uint8)"
        raise ImageProblemError(f"{span}, not uint8", _fixed(path, change))


def _layout(values: int) -> str:
    """Return the shape of images of so many values in a row, as text; "" if they are no square."""
    for channels in (1, 3):
        side = round((values / channels) ** 0.5)
        if side > 1 and side * side * channels == values:
            return f"-1, {side}, {side}" + (", 3" if channels == 3 else "")
    return ""


def _plain_labels(path: Path, name: str, labels: np.ndarray) -> np.ndarray:
    """Return labels as int64 or text (n,), from columns, one-hot rows or whole floats."""
    place = f"{path}: {name} {labels.dtype} {labels.shape}"
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "buif":
        one_hot = ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()
        if not one_hot:
            raise ImageProblemError(
                f"{place}, rows with more than one label", "save one class for each image"
            )
        return labels.argmax(axis=1)
    labels = labels.reshape(-1) if labels.ndim == 2 else labels
    if labels.ndim != 1 or labels.dtype.kind not in "buifUS":
        raise ImageProblemError(f"{place}, not (n,) of numbers or text", "save one label per image")
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "U":
        return labels
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels % 1 == 0).all()):
        raise ImageProblemError(f"{place}, not whole numbers", "save the number of each class")
    if len(labels) and not -(2**62) < float(labels.min()) <= float(labels.max()) < 2**62:
        raise ImageProblemError(f"{place}, up to {labels.max()}", "number the classes from 0 on")
    return labels.astype(np.int64)


def _numbered(
    path: Path,
    name: str,
    labels: Mapping[str, np.ndarray],
    stored: Sequence[str] | None,
    known: Sequence[str] | None,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return labels as numbers from 0 on, and the name of each class.

    Args:
        path: the file, for errors.
        name: of the array of labels, likewise.
        labels: split → labels.
        stored: the names of classes that stand in the file.
        known: the names of a trained model's classes, whose numbers count.
    """
    every = np.concatenate(list(labels.values()))
    present = set(every.tolist())
    if every.dtype.kind == "U":
        classes = known or stored or sorted_classes(present)
        places: dict[object, int] = {text: number for number, text in enumerate(classes)}
        remedy = f"use labels out of {', '.join(classes[:20])}"
    elif stored is not None and known is not None:
        classes = known
        places = {i: known.index(text) for i, text in enumerate(stored) if text in known}
        remedy = f"use classes out of {', '.join(known[:20])}"
    else:
        names = known or stored
        if names is None:
            number = len(present) if present == set(range(len(present))) else 0
            names = [str(label) for label in range(number)]
        classes = names
        places = {label: label for label in range(len(classes))}
        remedy = _renumbered(path, name, present, len(labels) > 1)
    if unknown := sorted(present - set(places)):
        span = f"{unknown[0]}" if every.dtype.kind == "U" else f"{min(present)} to {max(present)}"
        expected = f"{len(classes)} classes" if classes else "every number from 0 on"
        raise ImageProblemError(f"{path}: labels {span} in {name}, not {expected}", remedy)
    return {
        split: np.array([places[label] for label in values.tolist()], np.int64)
        for split, values in labels.items()
    }, tuple(classes)


def _renumbered(path: Path, name: str, labels: set[int], several: bool) -> str:
    """Return what to type for labels that are not the numbers from 0 on."""
    lowest = min(labels)
    if labels == set(range(len(labels))):
        return f"name each of the {len(labels)} classes in the array classes, or save fewer labels"
    if labels == set(range(lowest, lowest + len(labels))):
        change = f"a[{name!r}] = a[{name!r}] - {lowest}"
    else:
        change = f"a[{name!r}] = np.searchsorted({sorted(labels)[:20]}, a[{name!r}])"
    return _fixed(path, change + ("  # the other labels alike" if several else ""))


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _fixed(path: Path, change: str) -> str:
    """Return what to type in Python to write a file with the change."""
    return f"in Python: a = dict(np.load({path.name!r})); {change}; np.savez('fixed.npz', **a)"
