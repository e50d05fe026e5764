"""What is wrong with arrays of images and labels, and the line of NumPy that corrects it."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mlptrain.formatting import quantity
from mlptrain.images.folders import ImageProblemError

IN_PYTHON = "in Python: "
"""Before a statement that corrects the arrays, which are in the dict `a`."""


def check_images(arrays: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> None:
    """Check that images are (n, rows, columns[, 1 or 3]) of whole numbers from 0 to 255.

    Raises:
        ImageProblemError: they are not, or there is not one label for each, in the same order.
    """
    for (name, images), (of_images, rows) in zip(arrays.items(), labels.items(), strict=True):
        number = rows.shape[0] if rows.ndim else 0
        alike = {other: a for other, a in arrays.items() if a.dtype == images.dtype and a.size}
        problem, action = _problem(images, alike.values(), number)
        if not problem and len(images) != number:
            problem = f"{quantity(number, 'label')} in {of_images}"
            problem, action = f"{problem} for {quantity(len(images), 'image')}", "save one for each"
        if problem:
            action = _changed(alike, action) if "{}" in action else action
            raise ImageProblemError(f"{name} {images.dtype} {images.shape}, {problem}", action)


def _problem(images: np.ndarray, alike: Collection[np.ndarray], labels: int) -> tuple[str, str]:
    """Return what is wrong with images, and an expression of the array `{}` or a sentence."""
    shape, kind = images.shape, images.dtype.kind
    if not images.size:
        return "no images", "save images in it"
    if images.ndim > 2 and shape[-1] == labels != shape[0] and labels not in (1, 3):
        return "with the images last", "np.moveaxis({}, -1, 0)"
    if images.ndim == 5 and 1 in shape[1:]:
        return "with a dimension too many", f"{{}}.squeeze({shape.index(1, 1)})"
    if images.ndim == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3):
        return "with channels first", "np.moveaxis({}, 1, -1)"
    if images.ndim == 4 and shape[3] in (2, 4):
        return "with a channel for transparency", f"{{}}[..., :{shape[3] - 1}]"
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
    for channels, last in ((1, ""), (3, ", 3")):
        side = round((values / channels) ** 0.5)
        if side > 1 and side * side * channels == values:
            return f"-1, {side}, {side}{last}"
    return ""


def plain_labels(name: str, labels: np.ndarray) -> np.ndarray:
    """Return labels as int64 or text (n,), from columns, one-hot rows or whole floats.

    Raises:
        ImageProblemError: they are something else.
    """
    kind, problem, action = labels.dtype.kind, "", "save the number of each class, from 0 on"
    if labels.ndim == 2 and labels.shape[1] > 1 and kind in "buif":
        if ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all():
            return labels.argmax(axis=1)
        problem = "rows with more than one label"
        if np.allclose(labels.sum(axis=1), 1):
            problem, action = "rows of probabilities", _changed([name], "{}.argmax(axis=1)")
    elif labels.ndim not in (1, 2) or labels.size != len(labels) or kind not in "buifUS":
        problem = "not (n,) of numbers or text"
    elif kind == "f" and not (labels % 1 == 0).all():  # nor if they are not finite
        problem = "not whole numbers"
    elif kind in "uif" and labels.size and float(np.abs(labels.astype(float)).max()) > 2**62:
        problem = f"up to {labels.max()}"
    if problem:
        raise ImageProblemError(f"{name} {labels.dtype} {labels.shape}, {problem}", action)
    plain = labels.reshape(-1)
    if kind == "S":
        return np.char.decode(plain, "utf-8", "replace")
    return plain if kind == "U" else plain.astype(np.int64)


def renumbered(names: Sequence[str], labels: Sequence[int]) -> str:
    """Return what to do about arrays of labels that are not the numbers from 0 on."""
    lowest, count = labels[0], len(labels)
    if labels[-1] == count - 1 and lowest == 0:
        return f"name each of the {count} classes in the array classes, or save fewer labels"
    if labels[-1] == lowest + count - 1:
        return _changed(names, f"{{}} - {lowest}" if lowest > 0 else f"{{}} + {-lowest}")
    if count <= 20:
        return _changed(names, f"np.searchsorted({labels}, {{}})")
    every = ", ".join(f"a[{name!r}].ravel()" for name in names)
    return _changed(names, f"np.searchsorted(np.unique(np.concatenate([{every}])), {{}})")


def _changed(names: Collection[str], change: str) -> str:
    """Return the statement that changes some arrays of `a`."""
    if len(names) == 1:
        array = f"a[{next(iter(names))!r}]"
        return f"{IN_PYTHON}{array} = {change.format(array)}"
    return f"{IN_PYTHON}a.update({{k: {change.format('a[k]')} for k in {list(names)}}})"
