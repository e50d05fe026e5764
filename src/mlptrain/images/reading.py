"""Many image files, with all that cannot be read in one error, and progress every few seconds."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mlptrain.errors import DataError, printable, reason_of
from mlptrain.formatting import quantity
from mlptrain.images.image_file import KINDS, decode_image, read_image_file

Say = Callable[[str], None]
_SECONDS_BETWEEN_LINES = 5.0
_MOST_NAMED = 10
_REPAIR = "repair or remove them; with data.skip_unreadable=true training leaves them out"


def with_progress(files: Sequence[Path], verb: str, say: Say | None) -> Iterator[Path]:
    """Yield files; `say` receives a line now and then, such as "read 9 of 20 images"."""
    last = time.monotonic()
    for number, file in enumerate(files):
        if say is not None and time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            say(f"{verb} {number:,} of {len(files):,} images")
        yield file


def read_readable(
    files: Sequence[Path],
    side: int,
    say: Say | None = None,
    see: Callable[[Path, bytes], None] | None = None,
) -> tuple[np.ndarray, dict[Path, str]]:
    """Return the images of the files that can be read, and why the others cannot.

    Args:
        files: paths of image files.
        side: to resize to.
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
            faults[file] = reason_of(error)
            continue
        count += 1
        if see is not None:
            see(file, content)
    return images[:count], faults


def unreadable(faults: Mapping[Path, str], number: int, action: str = _REPAIR) -> DataError:
    """Return the error that names the files, out of a number, that cannot be read."""
    named = [f"{printable(path)}: {reason}" for path, reason in faults.items()]
    if len(named) > _MOST_NAMED:
        named[_MOST_NAMED:] = [f"and {len(named) - _MOST_NAMED:,} more"]
    received = f"{len(faults):,} of {quantity(number, 'file')} that cannot be read:"
    return DataError(KINDS, "\n    - ".join([received, *named]), action)
