"""Locks between processes, also on disks that have none (some network and cluster disks)."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Self

from filelock import BaseFileLock, FileLock, Timeout

from mlptrain.machine import process_exists

FRESH_SECONDS = 120.0
"""A sign of life older than this, from another host, is taken for that of a dead process."""

_RENEWAL_SECONDS = 15.0
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


def lock(
    path: Path, timeout: float = -1, seconds_since_life: Callable[[], float] | None = None
) -> BaseFileLock | LockFile:
    """Return a lock that one process at a time can hold, to be used with `with`.

    Args:
        path: of the lock's file, in an existing folder.
        timeout: seconds to wait for it before `filelock.Timeout` is raised; -1 waits for ever.
        seconds_since_life: returns how long ago the owner gave a sign of life, where the disk has
            no locks and the owner is on another host; else the age of the lock's file counts.
    """
    with contextlib.suppress(OSError):  # the lock will say what is wrong
        if not _has_locks(path.parent.stat().st_dev, path.parent):
            return LockFile(path, timeout, seconds_since_life)
    return FileLock(path, timeout=timeout)


def has_lock_file(path: Path) -> bool:
    """Return whether a process holds the lock of that path, or held it and was killed."""
    return path.exists() or _held(path).exists()


def _held(path: Path) -> Path:
    return path.with_name(f"{path.name}.held")


@cache
def _has_locks(device: int, folder: Path) -> bool:
    """Return whether files of that device can be locked, tried in a folder of it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in _NO_LOCKS
    return True


class LockFile:
    """A lock that is a file: who makes it has the lock; see `lock` for the arguments.

    The file of a dead process is removed: on this host, its process is gone; on another one, it
    has given no sign of life for two minutes. While the lock is held, its file is renewed.
    """

    def __init__(
        self, path: Path, timeout: float, seconds_since_life: Callable[[], float] | None
    ) -> None:
        self.lock_file = str(path)
        self._path = _held(path)
        self._timeout = timeout
        self._seconds_since_life = seconds_since_life or self._age
        self._text = json.dumps({"process": os.getpid(), "host": platform.node()})
        self._released = threading.Event()

    def acquire(self, timeout: float | None = None) -> None:
        """Wait for the lock.

        Raises:
            filelock.Timeout: another process has it.
        """
        timeout = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        while not self._make():
            if self._is_dead() and self._remove():
                continue
            if timeout >= 0 and time.monotonic() >= deadline:
                raise Timeout(self.lock_file)
            time.sleep(0.05)
        self._released.clear()
        threading.Thread(target=self._renew, daemon=True).start()

    def release(self) -> None:
        """Give the lock back."""
        self._released.set()
        with contextlib.suppress(OSError):  # the folder was removed
            if self._path.read_text(encoding="utf-8") == self._text:
                self._path.unlink()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def _make(self) -> bool:
        # Linked, not opened exclusively: nobody sees the file without its content.
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}-{threading.get_ident()}")
        aside.write_text(self._text, encoding="utf-8")
        try:
            os.link(aside, self._path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EMLINK):
                raise
            with contextlib.suppress(FileExistsError), self._path.open("x") as file:
                file.write(self._text)
                return True
            return False
        finally:
            aside.unlink(missing_ok=True)
        return True

    def _is_dead(self) -> bool:
        try:
            owner = json.loads(self._path.read_text(encoding="utf-8"))
            process, host = int(owner["process"]), owner["host"]
        except OSError:
            return False
        except (ValueError, TypeError, KeyError):
            return self._age() > FRESH_SECONDS
        if host == platform.node():
            return process <= 0 or not process_exists(process)
        return self._seconds_since_life() > FRESH_SECONDS

    def _age(self) -> float:
        try:
            return time.time() - self._path.stat().st_mtime
        except OSError:
            return 0.0

    def _remove(self) -> bool:
        """Remove a dead process's file, unless another process has taken its place meanwhile."""
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}.dead")
        try:
            dead = self._path.read_text(encoding="utf-8")
            self._path.replace(aside)
            if aside.read_text(encoding="utf-8") != dead:
                with contextlib.suppress(OSError):
                    os.link(aside, self._path)
            aside.unlink()
        except OSError:
            return False
        return True

    def _renew(self) -> None:
        while not self._released.wait(_RENEWAL_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(self._path)
