"""Many image files into one array, with all that cannot be read in one error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mlptrain.errors import DataError, printable
from mlptrain.formatting import quantity
from mlptrain.images.image_file import LIMITS, decode_image, read_image_file
from mlptrain.images.progress import with_progress

Say = Callable[[str], None]
_MOST_NAMED = 10
_REPAIR = "repair or remove them; with data.skip_unreadable=true training leaves them out"


def read_readable(
    files: Sequence[Path],
    side: int,
    say: Say | None = None,
    see: Callable[[Path, bytes], None] | None = None,
) -> tuple[np.ndarray, dict[Path, str]]:
    """Return the images of the files that can be read, and why the others cannot.

    Args:
        files: paths of image files.
        side: to resize to, as `load_image` does.
        say: receives a line every few seconds.
        see: receives the path and the content of every file that can be read.

    Returns:
        uint8 (n, side, side, 3) of the n readable files in their order, and file → reason.
    """
    images = np.empty((len(files), side, side, 3), np.uint8)
    faults: dict[Path, str] = {}
    count = 0
    for file in with_progress(files, "read", say):
        try:
            content = read_image_file(file)
            images[count] = decode_image(content, side)
        except (OSError, ValueError) as error:
            faults[file] = str(getattr(error, "strerror", None) or error)
            continue
        count += 1
        if see is not None:
            see(file, content)
    return images[:count], faults


def unreadable(faults: Mapping[Path, str], number: int, action: str = _REPAIR) -> DataError:
    """Return the error that names the files that cannot be read.

    Args:
        faults: file → reason.
        number: of all files.
        action: what to do.
    """
    named = [f"{printable(path)}: {printable(reason)}" for path, reason in faults.items()]
    if len(named) > _MOST_NAMED:
        named[_MOST_NAMED:] = [f"and {len(named) - _MOST_NAMED:,} more"]
    return DataError(
        f"PNG, JPEG, WebP or BMP images {LIMITS}",
        f"{len(faults):,} of {quantity(number, 'file')} that cannot be read:"
        + "".join(f"\n    - {line}" for line in named),
        action,
    )
