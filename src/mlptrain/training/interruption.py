"""Ctrl-C and kin, noticed between graph calls so that no file is left half-written."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
]
"""Ctrl-C, a batch system's or the system's end, a closed terminal, and a batch system's warning
that a job's time is nearly up (submitit asks SLURM for SIGUSR2)."""


class Interrupted(Exception):  # noqa: N818 - asked for, so no error
    """The run was asked to stop; everything up to the last complete epoch is kept."""


class Interruption:
    """While entered, the first signal is only remembered; a second Ctrl-C ends at once.

    A signal that is ignored stays ignored: `nohup` means it.

    Args:
        asked_to_stop: says why the run should stop, beside signals: a sweep's worker asks
            whether its sweep is still there. None for a run of its own.
        on_signal: called once with the name of the first signal.
    """

    def __init__(
        self,
        asked_to_stop: Callable[[], str | None] | None = None,
        on_signal: Callable[[str], None] | None = None,
    ) -> None:
        self.reason: str | None = None
        self._asked_to_stop = asked_to_stop
        self._on_signal = on_signal
        self._before: dict[int, Any] = {}
        self._at_once = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
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

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """While entered, the first signal ends the run where it stands.

        For what takes long and leaves nothing half-written, such as fetching the images.

        Raises:
            KeyboardInterrupt: a signal came; its text is the signal's name.
        """
        self._at_once = True
        try:
            self.check()
            yield
        finally:
            self._at_once = False

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.reason is not None and number == signal.SIGINT:
            raise KeyboardInterrupt(self.reason)
        if self.reason is None:
            self.reason = signal.Signals(number).name
            if self._on_signal is not None:
                self._on_signal(self.reason)
        if self._at_once:
            raise KeyboardInterrupt(self.reason)

    def check(self) -> None:
        """Raise `Interrupted` if a signal came, or the run was asked to stop."""
        if self.reason is None and self._asked_to_stop is not None:
            self.reason = self._asked_to_stop()
        if self.reason is not None:
            raise Interrupted(self.reason)
