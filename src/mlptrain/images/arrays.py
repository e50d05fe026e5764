"""Images and labels in NumPy files, under the names that people give them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlptrain.errors import printable, reason_of
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
        image_names: split → the name of the array of its images.
    """

    splits: Mapping[str, tuple[np.ndarray, np.ndarray]]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    image_names: Mapping[str, str]


def read_npz(path: Path, class_names: Sequence[str] | None = None) -> LabeledArrays:
    """Read images and labels by the names of their arrays; nothing is unpickled.

    Args:
        path: the file.
        class_names: of a trained model, whose numbers the labels are to have.

    Raises:
        ImageProblemError: it is no such file, the names do not tell images and labels, or the
            arrays are of another kind; says which line of NumPy corrects it.
    """
    with _refused(path, "write it with np.savez(PATH, images=…, labels=…)"):
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MOST_BYTES:
            raise ValueError(f"{size:,} bytes when unpacked")
        # Opened here: NumPy would leave a damaged archive's file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            known = [name for name in stored.files if _is_known(name)] or stored.files
            arrays = {
                name: _member(path, stored, name) if name in known else np.empty(0)
                for name in stored.files
            }
    return _labeled(str(path), arrays, class_names)


def read_npy_pair(images: Path, labels: Path, class_names: Sequence[str]) -> LabeledArrays:
    """Read a file of images and a file of labels, as `train`.

    Args:
        images: the file of the images.
        labels: that of the labels.
        class_names: of a trained model, whose numbers the labels are to have.

    Raises:
        ImageProblemError: one of them is no such file, or holds arrays of another kind.
    """
    arrays = {}
    for name, path in (("images", images), ("labels", labels)):
        with _refused(path, "write it with np.save(PATH, array)"):
            # One array, not an archive under its name: of a damaged one NumPy leaves the file open.
            with path.open("rb") as stream:
                np.lib.format.read_magic(stream)
            # Mapped first: the header alone says how large the array would be.
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
            if mapped.nbytes > _MOST_BYTES:
                raise ValueError(f"{mapped.nbytes:,} bytes")
            arrays[name] = np.asarray(mapped)
    return _labeled(f"{images},{labels}", arrays, class_names)


@contextmanager
def _refused(path: Path, action: str) -> Iterator[None]:
    """Turn what goes wrong with a file into an error that names it."""
    try:
        check_regular(path)
        yield
    except ImageProblemError:
        raise
    except Exception as error:  # a parser of hostile bytes raises whatever it meets
        raise ImageProblemError(f"{path}: {reason_of(error)}", action) from None


def _member(path: Path, stored: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        array = stored[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        match = _NAME.fullmatch(name.lower())
        change = f"a[{name!r}] = np.array(list(a[{name!r}]))  # only if you trust the file"
        raise ImageProblemError(
            f"{path}: {name} holds Python objects, which could run code when they are read",
            "save all images in one size, as uint8"
            if match and match["images"]
            else numpy_line(str(path), change, ", allow_pickle=True"),
        ) from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} is not an array")
    return array


def _is_known(name: str) -> bool:
    return name.lower() in _CLASS_NAMES or _NAME.fullmatch(name.lower()) is not None


def _labeled(
    source: str, stored: Mapping[str, np.ndarray], class_names: Sequence[str] | None
) -> LabeledArrays:
    """Return what is stored by split, with labels that are numbers from 0 on."""
    names, stored_classes, others = _assigned(source, stored)
    if not names or ("train" not in names and class_names is None):
        raise ImageProblemError(
            f"{source}: it holds {', '.join(list(stored)[:10]) or 'nothing'}",
            _renaming(source, stored)
            or "call the arrays images and labels, or x_train, y_train, x_test and y_test",
        )
    labels = {name: stored[name] for _, name in names.values()}
    check_images(source, {name: stored[name] for name, _ in names.values()}, labels)
    labels = {name: plain_labels(source, name, of_images) for name, of_images in labels.items()}
    numbered, classes = _numbered(source, labels, stored_classes, class_names)
    splits = {
        split: (stored[images].astype(np.uint8, copy=False), numbered[of_images])
        for split, (images, of_images) in names.items()
    }
    notes = tuple(f"left out: the array {printable(name)}" for name in others)
    return LabeledArrays(splits, classes, notes, {s: images for s, (images, _) in names.items()})


def _assigned(
    source: str, stored: Mapping[str, np.ndarray]
) -> tuple[dict[str, tuple[str, str]], list[str] | None, list[str]]:
    """Return split → names of its images and labels, the names of classes, and other arrays."""
    parts: dict[tuple[str, str], str] = {}
    class_names: list[str] | None = None
    others: list[str] = []
    for name, array in stored.items():
        match = _NAME.fullmatch(name.lower())
        if name.lower() in _CLASS_NAMES and array.dtype.kind in "US":
            class_names = plain_labels(source, name, array.reshape(-1)).tolist()
            if len(set(class_names)) < len(class_names):
                raise ImageProblemError(
                    f"{source}: {name} has the same name twice", "give each class its own name"
                )
        elif match is None or (match["before"] and match["after"]):
            others.append(name)
        else:
            word = match["before"] or match["after"]
            split = next((s for s, names in SPLITS.items() if word in names), "train")
            key = split, "images" if match["images"] else "labels"
            if key in parts:
                raise ImageProblemError(
                    f"{source}: both {parts[key]} and {name} name the {key[1]} of {split}",
                    numpy_line(source, f"del a[{name!r}]"),
                )
            parts[key] = name
    for (split, kind), name in parts.items():
        lacks = "labels" if kind == "images" else "images"
        if (split, lacks) not in parts:
            raise ImageProblemError(
                f"{source}: {name} without {lacks}, among {', '.join(list(stored)[:10])}",
                f"save its {lacks} too, as {split}_{lacks}, or leave out {name}",
            )
    splits = [split for split in SPLITS if (split, "images") in parts]
    pairs = {split: (parts[split, "images"], parts[split, "labels"]) for split in splits}
    return pairs, class_names, others


def _renaming(source: str, stored: Mapping[str, np.ndarray]) -> str:
    """Return the line of NumPy that names images and labels after their shapes; "" if unclear."""
    images = [name for name, array in stored.items() if array.ndim > 2]
    labels = [name for name, array in stored.items() if array.shape[:1] == (array.size,)]
    names = {1: ("images", "labels"), 2: ("x_train", "y_train", "x_test", "y_test")}
    if [len(stored[name]) for name in images] != [len(stored[name]) for name in labels]:
        return ""
    pairs = zip(images, labels, strict=True)
    renamed = zip(
        names.get(len(images), ()), [name for pair in pairs for name in pair], strict=False
    )
    change = "; ".join(f"a[{new!r}] = a.pop({old!r})" for new, old in renamed)
    return numpy_line(source, change) if change else ""


def _numbered(
    source: str,
    labels: Mapping[str, np.ndarray],
    stored: Sequence[str] | None,
    known: Sequence[str] | None,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return labels as numbers from 0 on, and the name of each class.

    Args:
        source: the file, for errors.
        labels: name of the array → labels.
        stored: the names of classes that stand in the file.
        known: the names of a trained model's classes, whose numbers count.
    """
    if len({values.dtype.kind for values in labels.values()}) > 1:
        kinds = ", ".join(f"{name} {values.dtype}" for name, values in labels.items())
        raise ImageProblemError(f"{source}: {kinds}", "save all labels as text, or all as numbers")
    every = np.concatenate(list(labels.values()))
    values, positions = np.unique(every, return_inverse=True)
    present: list[Any] = values.tolist()
    if every.dtype.kind == "U":
        classes = known or stored or sorted_classes(present)
        places: dict[object, int] = {text: number for number, text in enumerate(classes)}
        remedy = f"use labels out of {', '.join(classes[:20])}"
    elif stored is not None and known is not None:
        classes = known
        places = {i: known.index(text) for i, text in enumerate(stored) if text in known}
        remedy = f"use classes out of {', '.join(known[:20])}"
    else:
        are_numbers = present == list(range(len(present)))
        classes = known or stored or [str(label) for label in present if are_numbers]
        places = {label: label for label in range(len(classes))}
        remedy = renumbered(source, list(labels), present)
    if unknown := [label for label in present if label not in places]:
        span = unknown[0] if every.dtype.kind == "U" else f"{present[0]} to {present[-1]}"
        expected = f"{len(classes)} classes" if classes else "every number from 0 on"
        problem = f"labels {span} in {next(iter(labels))}, not {expected}"
        raise ImageProblemError(f"{source}: {problem}", remedy)
    numbers = np.array([places[label] for label in present], np.int64)[positions]
    ends = np.cumsum([len(of_array) for of_array in labels.values()])[:-1]
    return dict(zip(labels, np.split(numbers, ends), strict=True)), tuple(classes)
