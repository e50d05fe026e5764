"""Images and labels in NumPy files, under the names that people give them."""

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlptrain.errors import printable, reason_of
from mlptrain.images.array_checks import IN_PYTHON, check_images, plain_labels, renumbered
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

    With the class names of a trained model, the labels get the numbers of its classes.

    Raises:
        ImageProblemError: says what is wrong, and which line of NumPy corrects it.
    """
    return _labeled(str(path), lambda: _read_npz(path), class_names)


def read_npy_pair(images: Path, labels: Path, class_names: Sequence[str]) -> LabeledArrays:
    """Read a file of images and a file of labels, as `train`; otherwise like `read_npz`."""
    paths = {"images": images, "labels": labels}
    source = f"{images},{labels}"
    return _labeled(source, lambda: {n: _read_npy(p) for n, p in paths.items()}, class_names)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    check_regular(path)
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > _MOST_BYTES:
        raise ValueError(f"{size:,} bytes when unpacked")
    # Opened here: NumPy would leave a damaged archive's file open.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        known = [n for n in stored.files if n.lower() in _CLASS_NAMES or _NAME.fullmatch(n.lower())]
        known = known or stored.files
        return {n: _member(stored, n) if n in known else np.empty(0) for n in stored.files}


def _read_npy(path: Path) -> np.ndarray:
    check_regular(path)
    # One array, not an archive under its name: of a damaged one NumPy leaves the file open.
    with path.open("rb") as stream:
        np.lib.format.read_magic(stream)
    # Mapped first: the header alone says how large the array would be.
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    if mapped.nbytes > _MOST_BYTES:
        raise ValueError(f"{mapped.nbytes:,} bytes")
    return np.asarray(mapped)


def _member(stored: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        array = stored[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        match = _NAME.fullmatch(name.lower())
        action = (
            f"{IN_PYTHON}a[{name!r}] = np.array(list(a[{name!r}]))  # only if you trust the file"
        )
        raise ImageProblemError(
            f"{name} holds Python objects, which could run code when they are read",
            "save all images in one size, as uint8" if match and match["images"] else action,
        ) from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} is not an array")
    return array


def _labeled(
    source: str, read: Callable[[], dict[str, np.ndarray]], class_names: Sequence[str] | None
) -> LabeledArrays:
    """Return what is stored by split, with labels that are numbers from 0 on."""
    try:
        try:
            stored = read()
        except ImageProblemError:
            raise
        except Exception as error:  # a parser of hostile bytes raises whatever it meets
            action = "write it with np.savez(PATH, images=…, labels=…)"
            raise ImageProblemError(reason_of(error), action) from None
        return _by_split(stored, class_names)
    except ImageProblemError as problem:
        action = problem.action
        if action.startswith(IN_PYTHON):
            change, mark, comment = action.removeprefix(IN_PYTHON).partition("  #")
            load = f"dict(np.load({source!r}{', allow_pickle=True' * bool(mark)}))"
            if source.endswith(".npy"):
                images, _, labels = source.partition(",")
                load = f"{{'images': np.load({images!r}), 'labels': np.load({labels!r})}}"
            action = f"{IN_PYTHON}a = {load}; {change}; np.savez('fixed.npz', **a){mark}{comment}"
        raise ImageProblemError(f"{source}: {problem.received}", action) from None


def _by_split(stored: Mapping[str, np.ndarray], class_names: Sequence[str] | None) -> LabeledArrays:
    names, stored_classes, others = _assigned(stored)
    if not names or ("train" not in names and class_names is None):
        advice = "call the arrays images and labels, or x_train, y_train, x_test and y_test"
        held = ", ".join(list(stored)[:10]) or "nothing"
        raise ImageProblemError(f"it holds {held}", _renaming(stored) or advice)
    images = {split: stored[of_images] for split, (of_images, _) in names.items()}
    labels = {of_labels: stored[of_labels] for _, of_labels in names.values()}
    check_images({names[split][0]: array for split, array in images.items()}, labels)
    labels = {name: plain_labels(name, array) for name, array in labels.items()}
    numbers, classes = _numbered(labels, stored_classes, class_names)
    pairs = zip(images.values(), numbers, strict=True)
    return LabeledArrays(
        dict(zip(names, ((i.astype(np.uint8, copy=False), n) for i, n in pairs), strict=True)),
        classes,
        tuple(f"left out: the array {printable(name)}" for name in others),
        {split: of_images for split, (of_images, _) in names.items()},
    )


def _assigned(
    stored: Mapping[str, np.ndarray],
) -> tuple[dict[str, tuple[str, str]], list[str] | None, list[str]]:
    """Return split → names of its images and labels, the names of classes, and other arrays."""
    parts: dict[str, dict[str, str]] = {split: {} for split in SPLITS}
    class_names: list[str] | None = None
    others: list[str] = []
    for name, array in stored.items():
        match = _NAME.fullmatch(name.lower())
        if name.lower() in _CLASS_NAMES and array.dtype.kind in "US":
            class_names = plain_labels(name, array.reshape(-1)).tolist()
            if len(set(class_names)) < len(class_names):
                problem = f"{name} has the same name twice"
                raise ImageProblemError(problem, "give every class a name of its own")
        elif match is None or (match["before"] and match["after"]):
            others.append(name)
        else:
            word, kind = (
                match["before"] or match["after"],
                "images" if match["images"] else "labels",
            )
            split = next((s for s, names in SPLITS.items() if word in names), "train")
            if (other := parts[split].setdefault(kind, name)) != name:
                problem = f"both {other} and {name} name the {kind} of {split}"
                raise ImageProblemError(problem, f"{IN_PYTHON}del a[{name!r}]")
    for split, named in parts.items():
        if len(named) == 1:
            ((kind, name),) = named.items()
            lacks = "labels" if kind == "images" else "images"
            problem = f"{name} without {lacks}, among {', '.join(list(stored)[:10])}"
            action = f"save its {lacks} too, as {split}_{lacks}, or leave out {name}"
            raise ImageProblemError(problem, action)
    pairs = {split: (named["images"], named["labels"]) for split, named in parts.items() if named}
    return pairs, class_names, others


def _renaming(stored: Mapping[str, np.ndarray]) -> str:
    """Return the line of NumPy that names images and labels after their shapes; "" if unclear."""
    images = [name for name, array in stored.items() if array.ndim > 2]
    labels = [name for name, array in stored.items() if array.shape[:1] == (array.size,)]
    if [len(stored[name]) for name in images] != [len(stored[name]) for name in labels]:
        return ""
    names = {1: "images labels", 2: "x_train y_train x_test y_test"}.get(len(images), "").split()
    pairs = zip(names[::2], names[1::2], images, labels, strict=False)
    changes = [f"a[{i!r}] = a.pop({x!r}); a[{j!r}] = a.pop({y!r})" for i, j, x, y in pairs]
    return IN_PYTHON + "; ".join(changes) if changes else ""


def _numbered(
    labels: Mapping[str, np.ndarray], stored: Sequence[str] | None, known: Sequence[str] | None
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Return labels as numbers from 0 on, and the name of each class.

    Numbers mean the classes that are stored beside them, or else those of a trained model.
    """
    if len({values.dtype.kind for values in labels.values()}) > 1:
        kinds = ", ".join(f"{name} {values.dtype}" for name, values in labels.items())
        raise ImageProblemError(kinds, "save all labels as text, or all as numbers")
    every = np.concatenate(list(labels.values()))
    values, positions = np.unique(every, return_inverse=True)
    present: list[Any] = values.tolist()
    by_number = stored or known or [str(number) for number in range(len(present))]
    named = dict(enumerate(by_number)) if every.dtype.kind != "U" else {n: n for n in present}
    classes = known or stored or sorted_classes(named.values())
    places = {name: number for number, name in enumerate(classes)}
    if unknown := [label for label in present if named.get(label) not in places]:
        span = named.get(unknown[0], f"{present[0]} to {present[-1]}")
        expected = f"{len(classes)} classes" if known or stored else "every number from 0 on"
        action = f"use labels out of {', '.join(classes[:20])}"
        if unknown[0] not in named:
            action = renumbered(list(labels), present)
        raise ImageProblemError(f"labels {span} in {next(iter(labels))}, not {expected}", action)
    numbers = np.array([places[named[label]] for label in present], np.int64)[positions]
    ends = np.cumsum([len(of_array) for of_array in labels.values()])[:-1]
    return np.split(numbers, ends), tuple(classes)
