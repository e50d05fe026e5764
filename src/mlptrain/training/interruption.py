"""Ctrl-C and SIGTERM, noticed between graph calls so that no file is left half-written."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(Exception):  # noqa: N818 - asked for, so no error
    """The run was asked to stop; everything up to the last complete epoch is kept."""


class Interruption:
    """While entered, the first signal is only remembered; a second Ctrl-C ends at once.

    Args:
        parent: the process a sweep's worker was started by; when it is gone, so is the reason
            to go on. None for a run that may outlive its shell.
    """

    def __init__(self, parent: int | None = None) -> None:
        self.reason: str | None = None
        self._parent = parent
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
        """Raise `Interrupted` if a signal came, or the parent is gone."""
        if self._parent is not None and os.getppid() != self._parent:
            self.reason = "the sweep's process is gone"
        if self.reason is not None:
            raise Interrupted(self.reason)
