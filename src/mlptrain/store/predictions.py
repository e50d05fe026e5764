"""Saved predictions of a run: `predictions.npz`, read without trusting it.

Nothing is unpickled, and nothing is unpacked before its size is known.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy

from mlptrain.datasets import MOST_CLASSES
from mlptrain.errors import RunFolderError
from mlptrain.store import names
from mlptrain.store.reading import LIMITS, read_bytes
from mlptrain.store.runs import Run

_MEMBERS = {
    f"{split}_{part}.npy"
    for split in ("test", "validation")
    for part in ("probabilities", "labels", "predicted")
}
_MOST_UNPACKED = LIMITS[names.PREDICTIONS]


@dataclass(frozen=True)
class Predictions:
    """One split's part of `predictions.npz`, checked.

    Attributes:
        probabilities: float32 (n, classes).
        labels: uint8 (n,).
    """

    probabilities: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Results:
    """Which images of one split a run gets right.

    Attributes:
        right: bool (n,).
        labels: uint8 (n,), by which two runs' images are known to be the same.
        unpacked: bytes of probabilities that this took.
    """

    right: np.ndarray
    labels: np.ndarray
    unpacked: int = 0


def read_predictions(run: Run, split: str = "test") -> Predictions:
    """Return the part of a run's `predictions.npz` for `test` or `validation`.

    Raises:
        RunFolderError: it is not what mlptrain writes; `received` says why in one line.
    """
    with _members(run, split, "probabilities") as stored:
        probabilities = stored[f"{split}_probabilities"].astype(np.float32)
        labels = stored[f"{split}_labels"]
    if not (np.isfinite(probabilities).all() and (abs(probabilities - 0.5) <= 0.51).all()):
        raise _wrong("values outside 0 to 1")
    if labels.max(initial=0) >= probabilities.shape[1]:
        raise _wrong("labels of unknown classes")
    return Predictions(probabilities, labels)


def read_results(run: Run, split: str, most_bytes: int = _MOST_UNPACKED) -> Results:
    """Return which images of `test` or `validation` a run gets right.

    Files of earlier releases hold probabilities alone, which take thirty times as long to unpack.

    Args:
        run: whose predictions are read.
        split: `test` or `validation`.
        most_bytes: that may be unpacked.

    Raises:
        RunFolderError: as for `read_predictions`, or more would have to be unpacked.
    """
    try:
        with _members(run, split, "predicted") as stored:
            predicted, labels = stored[f"{split}_predicted"], stored[f"{split}_labels"]
    except _MissingError:
        with _members(run, split, "probabilities", most_bytes) as stored:
            probabilities, labels = stored[f"{split}_probabilities"], stored[f"{split}_labels"]
        return Results(probabilities.argmax(axis=1) == labels, labels, probabilities.nbytes)
    return Results(predicted == labels, labels)


class _MissingError(RunFolderError):
    """The archive does not hold the member that was requested."""


@contextmanager
def _members(run: Run, split: str, part: str, most: int = _MOST_UNPACKED) -> Iterator[Any]:
    """Open the archive after checking the members of a split."""
    content = read_bytes(run.path, names.PREDICTIONS)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check(archive, split, part, most)
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            yield stored
    except RunFolderError:
        raise
    # All that damaged zip files, compressed streams and array headers raise.
    except (
        *(ValueError, KeyError, TypeError, OSError, EOFError, RuntimeError, SyntaxError),
        *(OverflowError, MemoryError, zipfile.BadZipFile, zlib.error),
    ) as error:
        raise _wrong(f"cannot be read ({str(error)[:80]})") from None


def _check(archive: zipfile.ZipFile, split: str, part: str, most: int) -> None:
    """Refuse an archive before anything but array headers is unpacked."""
    members = archive.infolist()
    contents = [member.filename for member in members]
    if len(set(contents)) != len(contents) or not set(contents) <= _MEMBERS:
        raise _wrong("other members than mlptrain writes")
    requested = f"{split}_{part}.npy"
    if not {requested, f"{split}_labels.npy"} <= set(contents):
        raise _wrong(f"no predictions of {split} images", _MissingError)
    if any(m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in members):
        raise _wrong("an unknown compression")
    # zipfile never gives out more of a member than this size, whatever it would unpack to.
    if (size := sum(member.file_size for member in members)) > _MOST_UNPACKED:
        raise _wrong(f"{size:,} bytes unpacked, more than {_MOST_UNPACKED:,}")
    if (size := archive.getinfo(requested).file_size) > most:
        raise _wrong(f"{size:,} bytes to unpack, more than {most:,}")
    shape, kind = _header(archive, requested)
    if part == "probabilities":
        if kind != np.float16 or len(shape) != 2 or not 2 <= shape[1] <= MOST_CLASSES:
            raise _wrong(f"probabilities are {kind} {shape}")
    elif kind != np.uint8 or len(shape) != 1:
        raise _wrong(f"predicted classes are {kind} {shape}")
    count = shape[:1]
    shape, kind = _header(archive, f"{split}_labels.npy")
    if kind != np.uint8 or shape != count:
        raise _wrong(f"labels are {kind} {shape}")


def _header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and type that an array claims; NumPy would allocate it before reading."""
    with archive.open(member) as stream:
        if npy.read_magic(stream) != (1, 0):
            raise _wrong("another array format than mlptrain writes")
        shape, _, kind = npy.read_array_header_1_0(stream)
        held = archive.getinfo(member).file_size - stream.tell()
    if kind.hasobject or any(n < 0 for n in shape) or int(np.prod([*map(float, shape)])) > held:
        raise _wrong(f"{member} claims {kind} {shape} in {held:,} bytes"[:100])
    return shape, kind


def _wrong(reason: str, error: type[RunFolderError] = RunFolderError) -> RunFolderError:
    name = names.PREDICTIONS
    return error(f"{name} as mlptrain writes it", f"{name}: {reason}", "leave it out")
