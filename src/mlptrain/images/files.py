"""Image files and arrays from elsewhere, as what a model takes: uint8 (n, side, side, 3)."""

from __future__ import annotations

import os
import stat
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mlptrain.errors import DataError, printable

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_MOST_PIXELS = 50_000_000
_MOST_FILE = 40_000_000
"""With these bounds no format takes 1 GB; a progressive JPEG in CMYK needs most, 12 bytes a pixel.
A JPEG of nothing but EXIF data takes time with the square of its size: 10 s at this bound."""
_MOST_BYTES = 4 << 30
_TILE = 1_024
_NAMES = (("images", "labels"), ("x", "y"))
"""What labelled images are called in an `.npz`."""


def load_image(path: Path, side: int = 32) -> np.ndarray:
    """One image file, uint8 (side, side, 3).

    Turned as its EXIF says, transparency on white, the largest centred square, resized with
    Lanczos' filter, which averages over all pixels when it makes an image smaller.

    Raises:
        DataError: not a PNG, JPEG, WebP or BMP file of at most 40 MB and 50 million pixels, or
            25 million in WebP.
    """
    try:
        size = _regular(path).st_size
        if size > _MOST_FILE:
            raise ValueError(f"{size:,} bytes")
        with _unbothered(), Image.open(path, formats=FORMATS) as image:
            # WebP's decoder keeps two pictures of its own beside the one it gives.
            most = _MOST_PIXELS // (2 if image.format == "WEBP" else 1)
            if image.width * image.height > most:
                raise ValueError(f"{image.format}, {image.width} by {image.height} pixels")
            ImageOps.exif_transpose(image, in_place=True)
            fitted = _fitted(_on_white(image), side)
    except Exception as error:  # a parser of hostile bytes raises whatever it meets
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(
            "a PNG, JPEG, WebP or BMP image of at most 50 million pixels (WebP: 25 million) "
            "and 40 MB",
            f"{path}: {reason}",
            "give the path of an image file",
        ) from None
    return np.asarray(fitted, np.uint8)


def _fitted(image: Image.Image, side: int) -> Image.Image:
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def _regular(path: Path) -> os.stat_result:
    """What the system says of a file or folder; a pipe or a device would be waited on for ever."""
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ValueError("a pipe, socket or device, not a regular file")
    return status


def _on_white(image: Image.Image) -> Image.Image:
    """The picture in RGB, tile by tile: whole copies of a large one would take gigabytes."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    flat = Image.new("RGB", image.size)
    for top in range(0, image.height, _TILE):
        for left in range(0, image.width, _TILE):
            right, bottom = min(left + _TILE, image.width), min(top + _TILE, image.height)
            tile = image.crop((left, top, right, bottom))
            if tile.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
                tile = Image.fromarray((np.asarray(tile) >> 8).clip(0, 255).astype(np.uint8))
            white = Image.new("RGBA", tile.size, "white")
            flat.paste(
                Image.alpha_composite(white, tile.convert("RGBA")).convert("RGB"), (left, top)
            )
    return flat


@contextmanager
def _unbothered() -> Iterator[None]:
    """Damaged EXIF data do not matter; Pillow warns of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load_labelled(
    source: str, class_names: Sequence[str], side: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Images with their classes: uint8 (n, side, side, 3) and uint8 (n,).

    Args:
        source: a folder with one folder of images per class, named as the classes or by their
            numbers; an `.npz` with `images` and `labels` (or `x` and `y`); or two `.npy` files,
            `IMAGES.npy,LABELS.npy`.
        class_names: of class 0, 1, …
        side: to resize to, as `load_image` and `as_images` do.

    Raises:
        DataError: it is none of these.
    """
    images, _, labels = source.partition(",")
    try:
        path, other = Path(images).expanduser(), Path(labels).expanduser()
    except RuntimeError as error:  # ~someone
        raise _unknown(source, str(error)) from None
    if labels:
        checked = _checked(_npy(path), _npy(other), source)
        return _labelled(*checked, class_names, source, side)
    if path.suffix == ".npz":
        arrays = load_arrays(
            path, [dict(zip(("images", "labels"), pair, strict=True)) for pair in _NAMES]
        )
        return _labelled(arrays["images"], arrays["labels"], class_names, source, side)
    if path.is_dir():
        return _folder(path, class_names, side)
    raise _unknown(source, "no such folder, .npz file or pair of .npy files")


def _folder(path: Path, class_names: Sequence[str], side: int) -> tuple[np.ndarray, np.ndarray]:
    files: list[Path] = []
    labels: list[int] = []
    try:
        folders = {f.name: f for f in path.iterdir() if f.is_dir() and not f.name.startswith(".")}
        for number, name in enumerate(class_names):
            for called in dict.fromkeys((name, str(number))):  # a class may be called 7
                if called in folders:
                    own = _image_files(folders.pop(called))
                    files += own
                    labels += [number] * len(own)
        others = [name for name, folder in folders.items() if _image_files(folder)]
    except OSError as error:
        raise _unknown(str(path), error.strerror or str(error)) from None
    if not files:
        raise _unknown(str(path), f"no images in folders named {', '.join(class_names)}")
    if others:
        raise DataError(
            f"folders of images named {', '.join(class_names)}, or by their numbers",
            f"{path}: also {printable(', '.join(sorted(others)[:5]))}, with images",
            "rename them, or move them elsewhere: their images would be left out of the figures",
        )
    return np.stack([load_image(file, side) for file in files]), np.array(labels, np.uint8)


def _image_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS)


def _npy(path: Path) -> np.ndarray:
    try:
        _regular(path)
        # One array, not an archive under its name: of a damaged one NumPy leaves the file open.
        with path.open("rb") as stream:
            np.lib.format.read_magic(stream)
        # Mapped first: the header alone says how large the array would be.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if mapped.nbytes > _MOST_BYTES:
            raise ValueError(f"{mapped.nbytes:,} bytes")
        return np.asarray(mapped)
    except Exception as error:  # as for images
        raise _unknown(str(path), _reason(error)) from None


def load_arrays(path: Path, wanted: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    """Arrays of an `.npz`, by the names of the first of some ways to name them.

    Args:
        path: the file.
        wanted: ways, each from the name to give to the name in the file; a way fits when the
            file has its first two. `classes` comes along where the file has it. Names come in
            pairs, `…images` and `…labels`.

    Raises:
        DataError: it is no such file, or its images are not uint8, (n, rows, columns) of grey or
            (n, rows, columns, 3) of colours, or its labels are not n whole numbers from 0 on.
    """
    try:
        _regular(path)
        with zipfile.ZipFile(path) as archive:
            sizes = sum(member.file_size for member in archive.infolist())
        if sizes > _MOST_BYTES:
            raise ValueError(f"{sizes:,} bytes when unpacked")
        # Opened here: NumPy would leave a damaged archive's file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            for way in wanted:
                if all(name in stored for name in list(way.values())[:2]):
                    arrays = {ours: stored[name] for ours, name in way.items() if name in stored}
                    for first, second in zip(*[iter(way)] * 2, strict=True):
                        if (first in arrays) != (second in arrays):
                            has, lacks = sorted((first, second), key=lambda key: key not in arrays)
                            raise ValueError(f"{way[has]} without {way[lacks]}")
                    if "classes" in stored:
                        arrays["classes"] = stored["classes"]
                    break
            else:
                raise ValueError(f"it holds {', '.join(stored.files) or 'nothing'}")
    except Exception as error:  # as for images
        raise _unknown(str(path), _reason(error)) from None
    for key in [key for key in arrays if key.endswith("labels")]:
        images = arrays.get(key.replace("labels", "images"))
        _, arrays[key] = _checked(images, arrays[key], str(path))
    return arrays


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _labelled(
    images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], source: str, side: int
) -> tuple[np.ndarray, np.ndarray]:
    if labels.max() >= len(class_names):
        raise _unknown(source, f"labels from {labels.min()} to {labels.max()}")
    return as_images(images, side), labels.astype(np.uint8)


def _checked(
    images: np.ndarray | None, labels: np.ndarray, source: str
) -> tuple[np.ndarray, np.ndarray]:
    if not (isinstance(images, np.ndarray) and isinstance(labels, np.ndarray)):
        raise _unknown(source, "something else than arrays")
    labels = labels.reshape(-1)
    shaped = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))
    if images.dtype != np.uint8 or not shaped:
        raise _unknown(
            source, f"images {images.dtype} {images.shape}, not uint8 (n, rows, columns[, 3])"
        )
    if not images.size:
        raise _unknown(source, "no images")
    if labels.dtype.kind not in "iu" or len(labels) != len(images):
        raise _unknown(source, f"labels {labels.dtype} {labels.shape} for {len(images)} images")
    if labels.min() < 0 or labels.max() > 255:
        raise _unknown(source, f"labels from {labels.min()} to {labels.max()}")
    return images, labels


def as_images(images: np.ndarray, side: int) -> np.ndarray:
    """Images of any size, grey or in colours, as `load_image` would read them from files.

    Args:
        images: uint8 (n, rows, columns), (n, rows, columns, 1) or (n, rows, columns, 3).
        side: to resize to.

    Returns:
        uint8 (n, side, side, 3).
    """
    colours = images if images.ndim == 4 else images[..., None]
    colours = np.broadcast_to(colours, (*colours.shape[:3], 3))
    if colours.shape[1:3] == (side, side):
        return np.ascontiguousarray(colours)
    fitted = (_fitted(Image.fromarray(np.ascontiguousarray(image)), side) for image in colours)
    return np.stack([np.asarray(image, np.uint8) for image in fitted])


def _unknown(source: str, reason: str) -> DataError:
    return DataError(
        "train, validation or test; a folder of images by class; an .npz with images uint8 "
        "(n, rows, columns, 3) and labels (n,); or IMAGES.npy,LABELS.npy",
        f"{source}: {reason}",
        "give --data one of them",
    )
