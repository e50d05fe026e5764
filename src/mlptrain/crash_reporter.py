"""A process of its own that outlives one that C++ ends, and says what happened; see `crash.py`.

It is run as a script without the package, so that it starts within milliseconds. It reads what the
other process writes to stderr, and that process's commands, one byte each, from stdin:

    h  hold what comes from now on      d  drop what is held and forward again
    f  forward what is held             q  quit

Without `q`, the end of stdin is the end of the process.
"""

import contextlib
import json
import os
import re
import select
import sys
from datetime import UTC, datetime
from pathlib import Path

_LOG_LINE = re.compile(rb"[IWEF]\d{4} \d\d:|WARNING: All log messages before absl::")
_PREFIX = re.compile(r"[IWEF]\d{4} [\d:.]+ +\d+ ")
_FATAL_LINE = re.compile(rb"^(?:F\d{4} \d\d:|.*[Cc]heck failed:)", re.MULTILINE)
_PYTHONS_REPORT = re.compile(rb"^Fatal Python error: (.+?)$", re.MULTILINE)
_SIGNALS = {
    b"Aborted": "SIGABRT",
    b"Segmentation fault": "SIGSEGV",
    b"Illegal instruction": "SIGILL",
    b"Bus error": "SIGBUS",
    b"Floating point exception": "SIGFPE",
    b"Floating-point exception": "SIGFPE",
}
_MOST_BYTES = 1 << 16


class Stream:
    """What the process writes to stderr: forwarded, but for the log lines of TensorFlow's C++."""

    def __init__(self, source: int, log: str | None, shows_log_lines: bool) -> None:
        self._source, self._log, self._shows_log_lines = source, log, shows_log_lines
        self._is_held = False
        self._line = b""
        self.recent = b""

    def read(self) -> bool:
        """Take what there is; return whether more may come."""
        piece = os.read(self._source, 1 << 16)
        self.recent = (self.recent + piece)[-_MOST_BYTES:]
        if not self._is_held:
            self._line += piece
            *lines, self._line = self._line.split(b"\n")
            for line in lines:
                self._forward(line + b"\n")
            if self._line and self._line[:1] not in b"IWEF":  # a prompt, say, has no line's end
                self._forward(self._line)
                self._line = b""
        return bool(piece)

    def drain(self) -> None:
        """Take what was written until now."""
        while select.select([self._source], [], [], 0)[0] and self.read():
            pass

    def obey(self, command: bytes) -> None:
        """Hold, drop or forward; see above."""
        if command == b"f":
            _show(self.recent)
        self._is_held = command == b"h"
        self.recent = b""

    def finish(self) -> None:
        """Forward what is left."""
        if self._line:
            self._forward(self._line)

    def _forward(self, line: bytes) -> None:
        if self._shows_log_lines or not _LOG_LINE.match(line):
            _show(line)
        else:
            self.write_log(line)

    def write_log(self, text: bytes) -> None:
        """Append to the run's log."""
        if self._log is not None:
            with contextlib.suppress(OSError), Path(self._log).open("ab") as stream:
                stream.write(text)


def _show(text: bytes) -> None:
    with contextlib.suppress(OSError):  # nobody reads it any more
        while text:
            text = text[os.write(2, text) :]


def _report(stream: Stream, record: str | None) -> None:
    """Show and record the end of the process, unless it was killed from outside."""
    text = stream.recent
    end = _PYTHONS_REPORT.search(text)
    if end is None and not _FATAL_LINE.search(text):
        return
    signal = _SIGNALS.get(end[1].strip(), end[1].decode()) if end else "an error in C++"
    stream.write_log(text)
    lines = text[: end.start()] if end else text
    fatal = _FATAL_LINE.search(lines)
    printed = [
        _PREFIX.sub("", line.decode("utf-8", "backslashreplace")).strip()
        for line in lines[fatal.start() if fatal else 0 :].splitlines()
        if line.strip()
    ][-8:]
    printed = ["".join(c if c.isprintable() else " " for c in line)[:500] for line in printed]
    if any("XLA_FLAGS" in line for line in printed):
        action = "correct or unset the environment variable XLA_FLAGS"
    elif signal == "SIGILL" or any("AVX" in line for line in printed):
        action = "use a processor that TensorFlow was built for, or build it for this one"
    else:
        action = "see these lines" + (", and train.log in the run's folder" if record else "")
    _show(
        "\n".join(
            [
                "Training failed" if record else "Error",
                "  expected: TensorFlow to work on this machine",
                f"  received: {signal}, which ended the process" + (", after" if printed else ""),
                *(f"            {line}" for line in printed),
                f"  to do:    {action}\n",
            ]
        ).encode()
    )
    if record is not None:
        reason = ": ".join(["TensorFlow ended the process", signal, *printed[:1]])
        _mark_failed(Path(record), reason)


def _mark_failed(record: Path, reason: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        facts = json.loads(record.read_text(encoding="utf-8"))
        if facts["status"] != "running":
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        facts.update(status="failed", reason=reason, finished=now)
        aside = record.with_name(f".{record.name}.{os.getpid()}.part")
        aside.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        aside.replace(record)


def main() -> None:
    """Forward and obey until the process quits or ends."""
    settings = json.loads(sys.argv[1])
    source = settings["stderr"]
    stream = Stream(source, settings["log"], settings["shows_log_lines"])
    sources = [0, source]
    while 0 in sources:
        ready = select.select(sources, [], [])[0]
        if 0 not in ready:
            if not stream.read():  # stderr was closed
                sources.remove(source)
            continue
        command = os.read(0, 1)
        stream.drain()  # it was written before the command
        if command in (b"q", b""):
            stream.finish()
            if not command:
                _report(stream, settings["record"])
            break
        stream.obey(command)
    if settings["marker"] is not None:
        with contextlib.suppress(OSError):
            Path(settings["marker"]).unlink()


if __name__ == "__main__":
    main()
