"""Sample images with their class names, pixel for pixel."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from mlptrain.figures.style import DPI, QUIET, new_figure, short_names, styled


def sample_grid(
    images: npt.NDArray[np.uint8],
    labels: npt.ArrayLike,
    class_names: Sequence[str],
    rows: int = 2,
    columns: int = 8,
) -> Figure:
    """Draw the first rows x columns training images with their class names above them.

    Args:
        images: (n, height, width, 3) uint8; with fewer than rows x columns, places stay empty.
        labels: (n,) whole numbers, indices into `class_names`.
        class_names: the name of each class.
        rows: images from top to bottom.
        columns: images from left to right.
    """
    names = short_names(class_names)
    height, width = images.shape[1:3]
    # Whole multiples of the image's pixels on whole pixels of the picture, so that nothing blurs.
    scale = max(1, round(160 / max(height, width)))
    tile_x, tile_y = width * scale, height * scale
    gap, name_space, margin = 16, 34, 24
    picture_x = 2 * margin + columns * (tile_x + gap) - gap
    picture_y = 2 * margin + rows * (tile_y + name_space + gap) - gap
    with styled():
        figure = new_figure(picture_x / DPI, picture_y / DPI)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        shown = zip(images[: rows * columns], np.asarray(labels).ravel(), strict=False)
        for place, (image, label) in enumerate(shown):
            row, column = divmod(place, columns)
            x = margin + column * (tile_x + gap)
            y = margin + name_space + row * (tile_y + name_space + gap)
            extent = (x, x + tile_x, y + tile_y, y)
            axes.imshow(image, interpolation="nearest", extent=extent, aspect="auto")
            axes.text(x + tile_x / 2, y - 10, names[int(label)], ha="center")
        figure.text(margin / picture_x, 7 / picture_y, "training images", size=7.5, color=QUIET)
        axes.set_xlim(0, picture_x)
        axes.set_ylim(picture_y, 0)
    return figure
