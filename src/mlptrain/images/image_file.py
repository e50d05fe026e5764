"""One image file, as what a model takes."""

import io
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mlptrain.errors import reason_of
from mlptrain.paths import check_regular

KINDS = "PNG, JPEG, WebP or BMP images of at most 50 million pixels (WebP: 25 million) and 40 MB"
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_MOST_PIXELS = 50_000_000
_MOST_FILE = 40_000_000
"""With these bounds no format takes 1 GB; a progressive JPEG in CMYK needs most, 12 bytes a pixel.
A JPEG of nothing but EXIF data takes time with the square of its size: 10 s at this bound."""
TILE = 1_024
_QUIET = partial(warnings.catch_warnings, action="ignore")  # damaged EXIF data do not matter


def read_image_file(path: Path) -> bytes:
    """Return the content of a file that may be an image.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a regular file, or too large.
    """
    if (size := check_regular(path).st_size) > _MOST_FILE:
        raise ValueError(f"{size:,} bytes")
    return path.read_bytes()


def decode_image(content: bytes, side: int) -> np.ndarray:
    """Return the image in a file's content, uint8 (side, side, 3).

    It is rotated as its EXIF data say, laid on white where it is transparent, cut to the largest
    centered square, and resized with Lanczos' filter, which averages over all pixels when it makes
    an image smaller.

    Raises:
        ValueError: it is none of `KINDS`; says why.
    """
    try:
        with _QUIET(), Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            # WebP's decoder has two pictures of its own beside the one it gives.
            most = _MOST_PIXELS // (2 if image.format == "WEBP" else 1)
            if image.width * image.height > most:
                raise ValueError(f"{image.format}, {image.width} by {image.height} pixels")
            ImageOps.exif_transpose(image, in_place=True)
            fitted = _fitted(_on_white(image), side)
    except UnidentifiedImageError:
        kind = "not a PNG, JPEG, WebP or BMP image" if content else "an empty file"
        raise ValueError(kind) from None
    except Exception as error:  # a parser of hostile bytes raises whatever it meets
        raise ValueError(reason_of(error)) from None
    return np.asarray(fitted, np.uint8)


def image_size(path: Path) -> tuple[int, int]:
    """Return rows and columns of an image file, from its header alone."""
    with _QUIET(), Image.open(path, formats=_FORMATS) as image:
        return image.height, image.width


def as_images(images: np.ndarray, side: int) -> np.ndarray:
    """Return images, uint8 (n, rows, columns[, 1 or 3]), as uint8 (n, side, side, 3)."""
    colored = images if images.ndim == 4 else images[..., None]
    colored = np.broadcast_to(colored, (*colored.shape[:3], 3))
    if colored.shape[1:3] == (side, side):
        return np.ascontiguousarray(colored)
    fitted = (_fitted(Image.fromarray(np.ascontiguousarray(image)), side) for image in colored)
    return np.stack([np.asarray(image, np.uint8) for image in fitted])


def _fitted(image: Image.Image, side: int) -> Image.Image:
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def _on_white(image: Image.Image) -> Image.Image:
    """Return the picture in RGB, made tile by tile: whole copies of a large one take gigabytes."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    flat = Image.new("RGB", image.size)
    for y in range(0, image.height, TILE):
        for x in range(0, image.width, TILE):
            corner = min(x + TILE, image.width), min(y + TILE, image.height)
            tile = image.crop((x, y, *corner))
            if tile.mode.startswith("I"):  # 16 bits of gray, which Pillow would cut off at 255
                tile = Image.fromarray((np.asarray(tile) >> 8).clip(0, 255).astype(np.uint8))
            white = Image.new("RGBA", tile.size, "white")
            flat.paste(Image.alpha_composite(white, tile.convert("RGBA")).convert("RGB"), (x, y))
    return flat
