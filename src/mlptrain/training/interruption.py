"""Ctrl-C and SIGTERM, noticed between graph calls so that no file is left half-written."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(Exception):  # noqa: N818 - asked for, so no error
    """The run was asked to stop; everything up to the last complete epoch is kept."""


class Interruption:
    """While entered, the first signal is only remembered; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.reason is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.reason = signal.Signals(number).name

    def check(self) -> None:
        """Raise `Interrupted` if a signal came."""
        if self.reason is not None:
            raise Interrupted(self.reason)
