"""The pictures that a run draws of its net, small enough for a page."""

import io
from typing import Any

from mlptrain.errors import RunFolderError
from mlptrain.reports.comparison import Configuration
from mlptrain.store import names
from mlptrain.store.reading import read_bytes
from mlptrain.store.runs import Run

_COLORS = 64
_MOST_PIXELS = 4_000_000


def net_pictures(configuration: Configuration) -> list[dict[str, Any]]:
    """Return `layers.png` and `weights.png`, each of the configuration's first run that has it.

    The files are untrusted: what a page shows is drawn anew from their pixels.

    Returns:
        for each `name`, `run`, `width`, `height` (pixels) and `png` (bytes).
    """
    pictures = []
    for name in (names.LAYERS_PICTURE, names.WEIGHTS_PICTURE):
        drawn = (_in_few_colors(run, name) for run in configuration.runs)
        pictures.append(next((picture for picture in drawn if picture), None))
    return [picture for picture in pictures if picture]


def _in_few_colors(run: Run, name: str) -> dict[str, Any] | None:
    """Return a picture; None if the file is missing, or no PNG of bounded size."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(read_bytes(run.path, name)), formats=["PNG"]) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            picture = image.convert("RGB").quantize(_COLORS)
    except (RunFolderError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return {
        "name": name,
        "run": run.path.name,
        "width": picture.width,
        "height": picture.height,
        "png": stream.getvalue(),
    }
