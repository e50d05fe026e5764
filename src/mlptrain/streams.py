"""Standard output and error that outlive their reader: a closed terminal, or the end of a pipe."""

from __future__ import annotations

import errno
import os
from typing import Any, TextIO


class Outliving:
    """A text stream that turns silent when nobody reads it any more, instead of raising OSError.

    What a closed terminal ends is told by SIGHUP; no run or sweep may fail for lack of a reader.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream's own."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._silence(error)
            return len(text)

    def flush(self) -> None:
        """As the stream's own."""
        try:
            self._stream.flush()
        except OSError as error:
            self._silence(error)

    def _silence(self, error: OSError) -> None:
        """Lead what is still in the buffer, and all that follows, nowhere."""
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise error
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self._stream.fileno())
        os.close(nothing)
