"""Standard output and error that survive a closed terminal or pipe."""

import errno
import os
import sys
from typing import Any, TextIO


def quiet_on_hangup() -> None:
    """Let standard output and error go silent instead of raising once nobody reads them."""
    for name in ("stdout", "stderr"):
        if (stream := getattr(sys, name)) is not None:
            setattr(sys, name, _QuietOnHangup(stream))


class _QuietOnHangup:
    """A text stream that goes silent instead of raising once its reader is gone.

    No run or sweep may fail because nobody reads its output; a closed terminal itself arrives as
    SIGHUP, which interrupts the run.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text; return the number of characters, also when it went nowhere."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._silence(error)
            return len(text)

    def flush(self) -> None:
        """Flush the stream, if it still has a reader."""
        try:
            self._stream.flush()
        except OSError as error:
            self._silence(error)

    def _silence(self, error: OSError) -> None:
        """Send what is still in the buffer, and all that follows, to the null device."""
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise error
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self._stream.fileno())
        os.close(nothing)
