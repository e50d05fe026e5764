"""What is wrong with arrays of images and labels, and the line of NumPy that corrects it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from mlptrain.images.folders import ImageProblemError


def check_images(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Check that images are (n, rows, columns[, 1 or 3]) of whole numbers from 0 to 255.

    Args:
        path: the file.
        arrays: name → images; arrays of one type are changed alike.

    Raises:
        ImageProblemError: they are not.
    """
    for name, images in arrays.items():
        alike = {other: a for other, a in arrays.items() if a.dtype == images.dtype and a.size}
        problem, change = _problem(images, alike.values())
        if problem:
            raise ImageProblemError(
                f"{path}: {name} {images.dtype} {images.shape}, {problem}",
                numpy_line(path, _changed(alike, change)) if "{}" in change else change,
            )


def _problem(images: np.ndarray, alike: Collection[np.ndarray]) -> tuple[str, str]:
    """Return what is wrong with images, and an expression of the array `{}` or a sentence."""
    shape, kind = images.shape, images.dtype.kind
    if not images.size:
        return "no images", "save images in it"
    if images.ndim == 4 and shape[3] not in (1, 3):
        if shape[1] in (1, 3):
            return "with channels first", "np.moveaxis({}, 1, -1)"
        if shape[3] == 4:
            return "with four channels", "{}[..., :3]"
    if images.ndim == 2 and (layout := _layout(shape[1])):
        return "one row per image", f"{{}}.reshape({layout})"
    if not (images.ndim == 3 or (images.ndim == 4 and shape[3] in (1, 3))):
        return "not (n, rows, columns) or (n, rows, columns, 3)", "save them in that shape"
    if kind == "b":
        return "not uint8", "{}.astype(np.uint8) * 255"
    if kind not in "uif":
        return "not numbers", "save them as uint8 from 0 to 255"
    low, high = float(images.min()), float(images.max())
    if not np.isfinite(low + high):
        return "with values that are not finite", "np.nan_to_num({}, posinf=0, neginf=0)"
    if high == low == 0:
        return "in which every pixel is 0", "save them once more"
    # One scale for all of them: a test set may be darker than the training set.
    lowest, highest = min(float(a.min()) for a in alike), max(float(a.max()) for a in alike)
    span = f"from {low:g} to {high:g}"
    if not (low >= 0 and high <= 65535):
        ends = "(-1, 1)" if lowest >= -1 and highest <= 1 else f"({lowest:g}, {highest:g})"
        return span, f"np.interp({{}}, {ends}, (0, 255)).round().astype(np.uint8)"
    if high <= 1:
        return f"{span}, which would be black", "({} * 255.0).round().astype(np.uint8)"
    if high > 255:
        return f"{span}, not uint8", f"({{}} * (255 / {highest:g})).round().astype(np.uint8)"
    return (f"{span}, not uint8", "{}.round().astype(np.uint8)") if kind == "f" else ("", "")


def _layout(values: int) -> str:
    """Return the shape of images of so many values in a row, as text; "" if they are no square."""
    for channels in (1, 3):
        side = round((values / channels) ** 0.5)
        if side > 1 and side * side * channels == values:
            return f"-1, {side}, {side}" + (", 3" if channels == 3 else "")
    return ""


def plain_labels(path: Path, name: str, labels: np.ndarray) -> np.ndarray:
    """Return labels as int64 or text (n,), from columns, one-hot rows or whole floats.

    Raises:
        ImageProblemError: they are something else.
    """
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


def renumbered(path: Path, names: Sequence[str], labels: set[int]) -> str:
    """Return what to type for labels that are not the numbers from 0 on.

    Args:
        path: the file.
        names: of its arrays of labels.
        labels: all that are in them.
    """
    lowest, count = min(labels), len(labels)
    if labels == set(range(count)):
        return f"name each of the {count} classes in the array classes, or save fewer labels"
    if labels == set(range(lowest, lowest + count)):
        change = f"{{}} - {lowest}" if lowest > 0 else f"{{}} + {-lowest}"
    elif count <= 20:
        change = f"np.searchsorted({sorted(labels)}, {{}})"
    else:
        every = ", ".join(f"a[{name!r}].ravel()" for name in names)
        change = f"np.searchsorted(np.unique(np.concatenate([{every}])), {{}})"
    return numpy_line(path, _changed(names, change))


def numpy_line(path: Path, change: str, options: str = "") -> str:
    """Return what to type in Python to write a file with the change."""
    change, mark, comment = change.partition("  #")
    load = f"a = dict(np.load({path.name!r}{options}))"
    return f"in Python: {load}; {change}; np.savez('fixed.npz', **a){mark}{comment}"


def _changed(names: Collection[str], change: str) -> str:
    """Return the statement that changes some arrays of `a`."""
    if len(names) == 1:
        array = f"a[{next(iter(names))!r}]"
        return f"{array} = {change.format(array)}"
    return f"a.update({{k: {change.format('a[k]')} for k in {list(names)}}})"
