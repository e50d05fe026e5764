"""Image files and arrays from elsewhere, as what the model takes: uint8 (n, 32, 32, 3)."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mlptrain.config.sizes import IMAGE_SHAPE
from mlptrain.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_MOST_PIXELS = 100_000_000
_MOST_BYTES = 4 << 30
_SIDE = IMAGE_SHAPE[0]


def load_image(path: Path) -> np.ndarray:
    """One image file, uint8 (32, 32, 3).

    Turned as its EXIF says, transparency on white, the largest centred square, resized with
    Lanczos' filter, which averages over all pixels when it makes an image smaller.

    Raises:
        DataError: not a PNG, JPEG, WebP or BMP file of at most 100 million pixels.
    """
    try:
        with _unbothered(), Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ValueError(f"{image.width} by {image.height} pixels")
            turned = ImageOps.exif_transpose(image)
            if turned.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
                turned = Image.fromarray((np.asarray(turned) >> 8).clip(0, 255).astype(np.uint8))
            turned = turned.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", turned.size, "white"), turned)
        fitted = ImageOps.fit(flat.convert("RGB"), (_SIDE, _SIDE), Image.Resampling.LANCZOS)
    except Exception as error:  # a parser of hostile bytes raises whatever it meets
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(
            "a PNG, JPEG, WebP or BMP image of at most 100 million pixels",
            f"{path}: {reason}",
            "give the path of an image file",
        ) from None
    return np.asarray(fitted, np.uint8)


@contextmanager
def _unbothered() -> Iterator[None]:
    """Damaged EXIF data do not matter; Pillow warns of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load_labelled(source: str, class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Images with their classes: uint8 (n, 32, 32, 3) and uint8 (n,).

    Args:
        source: a folder with one folder of images per class, named as the classes or by their
            numbers; an `.npz` with `images` and `labels` (or `x` and `y`); or two `.npy` files,
            `IMAGES.npy,LABELS.npy`.
        class_names: of class 0, 1, …

    Raises:
        DataError: it is none of these.
    """
    images, _, labels = source.partition(",")
    try:
        path, other = Path(images).expanduser(), Path(labels).expanduser()
    except RuntimeError as error:  # ~someone
        raise _unknown(source, str(error)) from None
    if labels:
        return _checked(_npy(path), _npy(other), class_names, source)
    if path.suffix == ".npz":
        return _checked(*_npz(path), class_names, source)
    if path.is_dir():
        return _folder(path, class_names)
    raise _unknown(source, "no such folder, .npz file or pair of .npy files")


def _folder(path: Path, class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = [], []
    for number, name in enumerate(class_names):
        for folder in (path / name, path / str(number)):
            if folder.is_dir():
                files = sorted(f for f in folder.iterdir() if f.suffix.lower() in _ENDINGS)
                images += [load_image(file) for file in files]
                labels += [number] * len(files)
    if not images:
        raise _unknown(str(path), f"no images in folders named {', '.join(class_names)}")
    return np.stack(images), np.array(labels, np.uint8)


def _npy(path: Path) -> np.ndarray:
    try:
        # Mapped first: the header alone says how large the array would be.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(mapped, np.ndarray):  # a zip archive, whatever its name
            mapped.close()
            raise ValueError("an archive, not one array")
        if mapped.nbytes > _MOST_BYTES:
            raise ValueError(f"{mapped.nbytes:,} bytes")
        return np.asarray(mapped)
    except Exception as error:  # as for images
        raise _unknown(str(path), _reason(error)) from None


def _npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = sum(member.file_size for member in archive.infolist())
        if sizes > _MOST_BYTES:
            raise ValueError(f"{sizes:,} bytes when unpacked")
        # Opened here: NumPy would leave a damaged archive's file open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            for one, other in (("images", "labels"), ("x", "y")):
                if one in arrays and other in arrays:
                    return arrays[one], arrays[other]
            raise ValueError(f"it holds {', '.join(arrays.files) or 'nothing'}")
    except Exception as error:  # as for images
        raise _unknown(str(path), _reason(error)) from None


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _checked(
    images: np.ndarray, labels: np.ndarray, class_names: Sequence[str], source: str
) -> tuple[np.ndarray, np.ndarray]:
    if not (isinstance(images, np.ndarray) and isinstance(labels, np.ndarray)):
        raise _unknown(source, "something else than arrays")
    labels = labels.reshape(-1)
    if images.dtype != np.uint8 or images.shape[1:] != IMAGE_SHAPE:
        raise _unknown(source, f"images {images.dtype} {images.shape}, not uint8 (n, 32, 32, 3)")
    if not len(images):
        raise _unknown(source, "no images")
    if labels.dtype.kind not in "iu" or len(labels) != len(images):
        raise _unknown(source, f"labels {labels.dtype} {labels.shape} for {len(images)} images")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(class_names):
        raise _unknown(source, f"labels from {labels.min()} to {labels.max()}")
    return images, labels.astype(np.uint8)


def _unknown(source: str, reason: str) -> DataError:
    return DataError(
        "train, validation or test; a folder of images by class; an .npz with images uint8 "
        "(n, 32, 32, 3) and labels (n,); or IMAGES.npy,LABELS.npy",
        f"{source}: {reason}",
        "give --data one of them",
    )
