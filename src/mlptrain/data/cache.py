"""mlptrain's own copy of CIFAR-10 on this machine: where it is, and how it stays whole.

Each of the six files appears by one rename of a complete, verified file, so that whoever reads
the cache at any moment finds it right or missing, never half. A lock keeps two processes from
fetching the same thing twice; it is courtesy, correctness does not depend on it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import BaseFileLock, FileLock, Timeout

from mlptrain.data import cifar10
from mlptrain.data.cifar10 import Bytes
from mlptrain.errors import DataError

Say = Callable[[str], None]

LEFTOVERS = "cifar10.partial-"


@dataclass(frozen=True)
class CacheState:
    """What the cache holds.

    Attributes:
        folder: where the six record files belong.
        damaged: file name to reason (missing, size, hash); empty if all is right.
    """

    folder: Path
    damaged: dict[str, str]

    @property
    def intact(self) -> bool:
        """True if all six files are the official ones."""
        return not self.damaged


def cache_folder() -> Path:
    """Return where the six record files belong; `MLPTRAIN_CACHE` moves the whole cache."""
    override = os.environ.get("MLPTRAIN_CACHE")
    if override:
        return Path(override).expanduser().absolute() / "cifar10"
    return platformdirs.user_cache_path("mlptrain") / "cifar10"


def verify_cache() -> CacheState:
    """Hash the cached files and say which are not the official ones; changes nothing."""
    folder = cache_folder()
    return CacheState(folder, cifar10.damaged_records(folder))


class Workspace:
    """A temporary folder to fetch into, and the way from there into the cache.

    Attributes:
        folder: exists while the workspace is open; gone afterwards with all it holds.
        unwritable: why nothing can be cached; None as long as it can.
    """

    def __init__(self, folder: Path, unwritable: str | None = None) -> None:
        self.folder = folder
        self.unwritable = unwritable
        self._records = folder / "records"

    def keep(self, name: str, records: Bytes) -> None:
        """Write one verified file aside; a failure is remembered, not raised."""
        if self.unwritable:
            return
        try:
            self._records.mkdir(exist_ok=True)
            cifar10.write_bytes(self._records / name, records)
        except OSError as error:
            self.unwritable = error.strerror or str(error)
            shutil.rmtree(self._records, ignore_errors=True)

    def publish(self) -> None:
        """Move what was kept into the cache, file by file; a failure is remembered."""
        if self.unwritable:
            return
        folder = cache_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in cifar10.RECORD_SHA1:
                (self._records / name).replace(folder / name)
            _sync_folder(folder)
        except OSError as error:
            self.unwritable = error.strerror or str(error)


@contextmanager
def open_workspace(say: Say) -> Iterator[Workspace]:
    """Open a workspace beside the cache, alone; outside it if the cache cannot be written.

    Waits while another process has it open, and says so. Removes what killed ones left behind.

    Raises:
        DataError: no temporary folder can be made anywhere.
    """
    root = cache_folder().parent
    lock: BaseFileLock | None = None
    try:
        try:
            root.mkdir(parents=True, exist_ok=True)
            lock = _wait_for_lock(root / "cifar10.lock", say)
            for leftover in root.glob(f"{LEFTOVERS}*"):
                shutil.rmtree(leftover, ignore_errors=True)
            workspace = Workspace(Path(tempfile.mkdtemp(prefix=LEFTOVERS, dir=root)))
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            workspace = Workspace(_folder_elsewhere(), reason)
        try:
            yield workspace
        finally:
            shutil.rmtree(workspace.folder, ignore_errors=True)
    finally:
        if lock:
            lock.release()


def remove_damaged(say: Say) -> None:
    """Remove cached files that are not the official ones, saying which and why."""
    for name, reason in verify_cache().damaged.items():
        path = cache_folder() / name
        if reason == "missing" and not path.is_symlink():
            continue
        say(f"The cached {name} is damaged ({reason}); it is removed and fetched again")
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            say(f"{path} could not be removed: {error.strerror}")


def _wait_for_lock(path: Path, say: Say) -> BaseFileLock:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"Another mlptrain process is fetching CIFAR-10; waiting for it ({path})")
        lock.acquire(poll_interval=0.2)
    return lock


def _folder_elsewhere() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="mlptrain-"))
    except OSError as error:
        raise DataError(
            expected=f"room for CIFAR-10 in {cache_folder().parent} or in a temporary folder",
            received=str(error),
            action="make room, or set MLPTRAIN_CACHE to a folder on another disk",
        ) from error


def _sync_folder(folder: Path) -> None:
    """Have the renames themselves on disk; Windows neither needs nor allows this."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
