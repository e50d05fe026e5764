"""Progress over many image files, in a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_SECONDS_BETWEEN_LINES = 5.0


def with_progress(
    files: Sequence[Path], done: str, say: Callable[[str], None] | None
) -> Iterator[Path]:
    """Yield the files, and say now and then how many are done.

    Args:
        files: paths of image files.
        done: what has been done with a file, such as `read`.
        say: receives the lines; None says nothing.
    """
    last = time.monotonic()
    for number, file in enumerate(files):
        if say is not None and time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            say(f"{done} {number:,} of {len(files):,} images")
        yield file
