"""Images and labels in NumPy files, under the names that people give them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlptrain.errors import printable, reason_of
from mlptrain.formatting import quantity
from mlptrain.images.array_checks import check_images, numpy_line, plain_labels, renumbered
from mlptrain.images.folders import SPLITS, ImageProblemError, sorted_classes
from mlptrain.paths import check_regular

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
    if not names or ("train" not in names and class_names is None):
        raise ImageProblemError(
            f"{path}: it holds {', '.join(list(stored)[:10]) or 'nothing'}",
            "call the arrays images and labels, or x_train, y_train, x_test and y_test",
        )
    check_images(path, {images: stored[images] for images, _ in names.values()})
    labels = {}
    for split, (images_name, labels_name) in names.items():
        labels[split] = plain_labels(path, labels_name, stored[labels_name])
        count, number = len(stored[images_name]), len(labels[split])
        if count != number:
            raise ImageProblemError(
                f"{path}: {quantity(number, 'label')} in {labels_name} for "
                f"{quantity(count, 'image')} in {images_name}",
                "save one label for each image",
            )
    label_names = [name for _, name in names.values()]
    numbered, classes = _numbered(path, label_names, labels, stored_classes, class_names)
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
    check_images(images, {"images": pictures})
    plain = plain_labels(labels, "labels", numbers)
    if len(pictures) != len(plain):
        raise ImageProblemError(
            f"{images}: {quantity(len(plain), 'label')} in {labels} for "
            f"{quantity(len(pictures), 'image')}",
            "save one label for each image",
        )
    numbered, classes = _numbered(labels, ["labels"], {"train": plain}, None, class_names)
    pair = pictures.astype(np.uint8, copy=False), numbered["train"]
    return LabeledArrays({"train": pair}, classes, ())


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
                arrays[name] = _member(path, stored, name) if _is_known(name) else np.empty(0)
            return arrays
    except ImageProblemError:
        raise
    except Exception as error:  # a parser of hostile bytes raises whatever it meets
        raise ImageProblemError(
            f"{path}: {reason_of(error)}", "write it with np.savez(PATH, images=…, labels=…)"
        ) from None


def _member(path: Path, stored: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        array = stored[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        change = f"a[{name!r}] = np.array(list(a[{name!r}]))  # only if you trust the file"
        match = _NAME.fullmatch(name.lower())
        raise ImageProblemError(
            f"{path}: {name} holds Python objects, which could run code when they are read",
            "save all images in one size, as uint8"
            if match and match["images"]
            else numpy_line(path, change, ", allow_pickle=True"),
        ) from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} is not an array")
    return array


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
            if len(set(class_names)) < len(class_names):
                raise ImageProblemError(
                    f"{path}: {name} has the same name twice", "give every class a name of its own"
                )
        elif match is None or (match["before"] and match["after"]):
            others.append(name)
        else:
            word = match["before"] or match["after"]
            split = next((s for s, names in SPLITS.items() if word in names), "train")
            key = split, "images" if match["images"] else "labels"
            if key in parts:
                raise ImageProblemError(
                    f"{path}: both {parts[key]} and {name} name the {key[1]} of {split}",
                    numpy_line(path, f"del a[{name!r}]"),
                )
            parts[key] = name
    splits = [split for split in SPLITS if (split, "images") in parts or (split, "labels") in parts]
    for split in splits:
        for has, lacks in (("images", "labels"), ("labels", "images")):
            if (split, lacks) not in parts:
                raise ImageProblemError(
                    f"{path}: {parts[split, has]} without {lacks}, among "
                    f"{', '.join(list(stored)[:10])}",
                    f"save its {lacks} too, as {split}_{lacks}, or leave out {parts[split, has]}",
                )
    pairs = {split: (parts[split, "images"], parts[split, "labels"]) for split in splits}
    return pairs, class_names, others


def _numbered(
    path: Path,
    names: Sequence[str],
    labels: Mapping[str, np.ndarray],
    stored: Sequence[str] | None,
    known: Sequence[str] | None,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return labels as numbers from 0 on, and the name of each class.

    Args:
        path: the file, for errors.
        names: of the arrays of labels, likewise.
        labels: split → labels.
        stored: the names of classes that stand in the file.
        known: the names of a trained model's classes, whose numbers count.
    """
    if len({values.dtype.kind for values in labels.values()}) > 1:
        kinds = ", ".join(f"{n} {a.dtype}" for n, a in zip(names, labels.values(), strict=True))
        raise ImageProblemError(f"{path}: {kinds}", "save all labels as text, or all as numbers")
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
        number = len(present) if present == set(range(len(present))) else 0
        classes = known or stored or [str(label) for label in range(number)]
        places = {label: label for label in range(len(classes))}
        remedy = renumbered(path, names, present)
    if unknown := sorted(present - set(places)):
        span = f"{unknown[0]}" if every.dtype.kind == "U" else f"{min(present)} to {max(present)}"
        expected = f"{len(classes)} classes" if classes else "every number from 0 on"
        raise ImageProblemError(f"{path}: labels {span} in {names[0]}, not {expected}", remedy)
    return {
        split: np.array([places[label] for label in values.tolist()], np.int64)
        for split, values in labels.items()
    }, tuple(classes)


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
