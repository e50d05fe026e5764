"""What C++ prints when it ends the process, which no Python code survives, is shown and recorded.

TensorFlow ends the process where it cannot go on: without the instructions that it was built for,
with an unknown `XLA_FLAGS`. A second process (`crash_reporter.py`) reads this one's stderr, keeps
what TensorFlow's C++ logs from the terminal, and reports if this process ends in the middle.
"""

import contextlib
import faulthandler
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlptrain.errors import MlptrainError

MARKER = ".crash_reporter.part"
"""A file in the run's folder while its reporter may still have to write there."""

_SCRIPT = Path(__file__).with_name("crash_reporter.py")
_commands: list[int] = []
"""Descriptors of the reporter at work: at most one."""


@contextmanager
def reported_crashes(record: Path | None = None, log: Path | None = None) -> Iterator[None]:
    """Have a reporter at work while the block runs; a block within another uses the same.

    Args:
        record: `run.json` of the run that would fail.
        log: its `train.log`, which also gets what TensorFlow's C++ logs.
    """
    if _commands or os.name != "posix" or not sys.executable:
        yield
        return
    marker = None if record is None else record.with_name(MARKER)
    settings: dict[str, object] = {
        "record": record and str(record),
        "log": log and str(log),
        "marker": marker and str(marker),
        # Who sets the level to these wants to see what is logged.
        "shows_log_lines": os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1"),
    }
    with _stderr_through_reporter(settings, marker) as commands:
        if commands is not None:
            _commands.append(commands)
        try:
            yield
        finally:
            _commands.clear()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what is printed to stderr; show it if the block fails, or ends the process."""
    with reported_crashes():
        _send(b"h")
        try:
            yield
        except MlptrainError:  # says all that there is to say
            _send(b"d")
            raise
        except BaseException:
            _send(b"f")
            raise
        _send(b"d")


def await_reports(folders: Iterable[Path]) -> bool:
    """Wait until the reporters of dead processes have written to their folders; a moment.

    Returns:
        Whether there were any.
    """
    waiting = [folder / MARKER for folder in folders if (folder / MARKER).exists()]
    deadline = time.monotonic() + 5
    while any(marker.exists() for marker in waiting) and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(waiting)


def _send(command: bytes) -> None:
    sys.stderr.flush()
    for descriptor in _commands:
        with contextlib.suppress(OSError):  # the reporter was killed
            os.write(descriptor, command)


@contextmanager
def _stderr_through_reporter(
    settings: dict[str, object], marker: Path | None
) -> Iterator[int | None]:
    """Yield the descriptor of the reporter's commands; None where no process can be started."""
    sys.stderr.flush()
    try:
        terminal: int | None = os.dup(2)
    except OSError:  # no stderr at all
        terminal = None
    source, sink = os.pipe()
    try:
        if marker is not None:
            marker.touch()
        reporter = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT), json.dumps({**settings, "stderr": source})],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if terminal is None else terminal,
            pass_fds=[source],
            start_new_session=True,  # Ctrl-C at the terminal is for this process
        )
    except OSError:
        os.close(sink)
        reporter = None
    finally:
        os.close(source)
    if reporter is None or reporter.stdin is None:
        yield None
        return
    os.dup2(sink, 2)
    os.close(sink)
    had_faulthandler = faulthandler.is_enabled()
    faulthandler.enable(2, all_threads=False)  # names the signal
    try:
        yield reporter.stdin.fileno()
    finally:
        sys.stderr.flush()
        faulthandler.disable()
        if terminal is None:
            os.close(2)
        else:
            os.dup2(terminal, 2)
            os.close(terminal)
        if had_faulthandler:
            with contextlib.suppress(Exception):  # a stderr without a descriptor
                faulthandler.enable()
        with contextlib.suppress(OSError):
            reporter.stdin.write(b"q")
            reporter.stdin.close()
        reporter.wait()
