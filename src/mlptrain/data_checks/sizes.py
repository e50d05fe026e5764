"""Images that are much smaller or larger than what they are resized to."""

from collections.abc import Iterator

import numpy as np

from mlptrain.data_checks.image_list import ImageList, listing
from mlptrain.data_checks.thresholds import Command, limit, severity_of
from mlptrain.finding import Finding

_SMALLEST, _LARGEST = 4, 256
"""Of `data.image_size`."""


def find_size_mismatch(images: ImageList, command: Command) -> Iterator[Finding]:
    """Yield the finding about images whose size does not fit `data.image_size`."""
    if images.original is None:
        return
    shorter = images.original.min(axis=1)
    used = images.used
    smaller = used[shorter[used] <= limit("smaller") * images.side]
    larger = used[shorter[used] >= limit("larger") * images.side]
    if not (smaller.size or larger.size):
        return
    parts = [
        f"{positions.size:,} of {used.size:,} images have {factor} many pixels"
        for positions, factor in (
            (smaller, "at most half as"),
            (larger, f"at least {limit('larger'):g} times as"),
        )
        if positions.size
    ]
    usual = int(np.clip(np.median(shorter[used]), _SMALLEST, _LARGEST))
    fitting = usual if usual < images.side else min(2 * images.side, _LARGEST)
    most = 2 * max(smaller.size, larger.size) > used.size and fitting != images.side
    listed = [
        {
            **images.entry(int(position)),
            "rows": int(images.original[position, 0]),
            "columns": int(images.original[position, 1]),
        }
        for position in (*smaller, *larger)
    ]
    yield Finding(
        "image_size_mismatch",
        severity_of(smaller.size / used.size) if smaller.size else "low",
        f"{' and '.join(parts)} in a row or column as data.image_size={images.side}: "
        "resizing invents detail in small images and loses that of large ones.",
        {
            "image_size": images.side,
            "smaller": int(smaller.size),
            "larger": int(larger.size),
            "median_shorter_side": float(np.median(shorter[used])),
            **listing("images", listed),
        },
        (command(f"data.image_size={fitting}"),) if most else (),
    )
