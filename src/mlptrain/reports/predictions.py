"""Saved predictions: `predictions.npz` read without trusting it, and two runs image by image.

The file is untrusted. Nothing is unpickled, and nothing is unpacked before its size is
known.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy

from mlptrain.datasets import MOST_CLASSES
from mlptrain.errors import RunFolderError
from mlptrain.reports.comparison import Configuration
from mlptrain.reports.statistics import mcnemar
from mlptrain.store import names
from mlptrain.store.reading import LIMITS, read_bytes
from mlptrain.store.runs import SPLITS, Run

MOST_SEEDS = 10
"""Of two configurations that are compared image by image."""

_MEMBERS = {
    f"{split}_{part}.npy"
    for split in ("test", "validation")
    for part in ("probabilities", "labels")
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
class ImageByImage:
    """Two runs on the same test images.

    Attributes:
        only_first: images that only the first gets right.
        only_second: images that only the second gets right.
        of: test images.
        p: of McNemar's exact test.
    """

    only_first: int
    only_second: int
    of: int
    p: float


def image_by_image(first: Run, second: Run) -> ImageByImage:
    """Return McNemar's test of two runs' saved predictions.

    Raises:
        RunFolderError: they saw other data or another split, or a file cannot be read;
            `received` says so in one line.
    """
    if _images_of(first) is None or _images_of(first) != _images_of(second):
        raise _wrong("the runs were trained on other data or another split")
    one, other = _of(first), _of(second)
    if not len(one.labels) or not np.array_equal(one.labels, other.labels):
        raise _wrong("the two files are not of the same test images")
    only_first, only_second, p = mcnemar(
        one.labels, one.probabilities.argmax(axis=1), other.probabilities.argmax(axis=1)
    )
    return ImageByImage(only_first, only_second, len(one.labels), p)


def by_seed(first: Configuration, second: Configuration) -> dict[str, Any]:
    """Compare two configurations image by image, for each seed that both have.

    Returns:
        `seeds`, each with `seed` and what `ImageByImage` has, and `notes` that say what was
        left out and why.
    """
    others = {run.facts.seed: run for run in second.runs}
    shared = [run for run in first.runs if run.facts.seed in others]
    notes = [] if shared else ["they have no seed in common"]
    if len(shared) > MOST_SEEDS:
        notes.append(f"all but the first {MOST_SEEDS} of {len(shared)} seeds")
    seeds = []
    for run in shared[:MOST_SEEDS]:
        seed = run.facts.seed
        try:
            seeds.append({"seed": seed, **asdict(image_by_image(run, others[seed]))})
        except RunFolderError as error:
            notes.append(f"seed {seed}: {error.received}")
    return {"seeds": seeds, "notes": notes}


def _images_of(run: Run) -> tuple[object, ...] | None:
    """Return the data's checksum and the split's sizes; None where `run.json` lacks them."""
    data = run.facts.data or {}
    checksum, sizes = data.get("checksum"), data.get("sizes")
    if not isinstance(checksum, str) or not isinstance(sizes, dict):
        return None
    counts = [sizes.get(split) for split in SPLITS]
    return (checksum, *counts) if all(isinstance(n, int) for n in counts) else None


def _of(run: Run) -> Predictions:
    try:
        return read_predictions(run)
    except RunFolderError as error:
        raise _wrong(f"{run.path.name}: {error.received}") from None


def read_predictions(run: Run, split: str = "test") -> Predictions:
    """Return the part of a run's `predictions.npz` for `test` or `validation`.

    Raises:
        RunFolderError: it is not what mlptrain writes; `received` says why in one line.
    """
    content = read_bytes(run.path, names.PREDICTIONS)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check(archive, split)
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            probabilities = stored[f"{split}_probabilities"].astype(np.float32)
            labels = stored[f"{split}_labels"]
    except RunFolderError:
        raise
    # All that damaged zip files, compressed streams and array headers raise.
    except (
        *(ValueError, KeyError, TypeError, OSError, EOFError, RuntimeError, SyntaxError),
        *(OverflowError, MemoryError, zipfile.BadZipFile, zlib.error),
    ) as error:
        raise _wrong(f"{names.PREDICTIONS}: cannot be read ({str(error)[:80]})") from None
    if not (np.isfinite(probabilities).all() and (abs(probabilities - 0.5) <= 0.51).all()):
        raise _wrong(f"{names.PREDICTIONS}: values outside 0 to 1")
    if labels.max(initial=0) >= probabilities.shape[1]:
        raise _wrong(f"{names.PREDICTIONS}: labels of unknown classes")
    return Predictions(probabilities, labels)


def _check(archive: zipfile.ZipFile, split: str) -> None:
    """Refuse an archive before anything but array headers is unpacked."""
    members = archive.infolist()
    contents = [member.filename for member in members]
    if len(set(contents)) != len(contents) or not set(contents) <= _MEMBERS:
        raise _wrong(f"{names.PREDICTIONS}: other members than mlptrain writes")
    if not {f"{split}_probabilities.npy", f"{split}_labels.npy"} <= set(contents):
        raise _wrong(f"{names.PREDICTIONS}: no predictions of {split} images")
    if any(m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in members):
        raise _wrong(f"{names.PREDICTIONS}: an unknown compression")
    # zipfile never gives out more of a member than this size, whatever it would unpack to.
    if (size := sum(member.file_size for member in members)) > _MOST_UNPACKED:
        raise _wrong(f"{names.PREDICTIONS}: {size:,} bytes unpacked, more than {_MOST_UNPACKED:,}")
    shape, kind = _header(archive, f"{split}_probabilities.npy")
    count = shape[0] if len(shape) == 2 else -1
    if kind != np.float16 or count < 0 or not 2 <= shape[1] <= MOST_CLASSES:
        raise _wrong(f"{names.PREDICTIONS}: probabilities are {kind} {shape}")
    shape, kind = _header(archive, f"{split}_labels.npy")
    if kind != np.uint8 or shape != (count,):
        raise _wrong(f"{names.PREDICTIONS}: labels are {kind} {shape}")


def _header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and type that an array claims; NumPy would allocate it before reading."""
    with archive.open(member) as stream:
        if npy.read_magic(stream) != (1, 0):
            raise _wrong(f"{names.PREDICTIONS}: another array format than mlptrain writes")
        shape, _, kind = npy.read_array_header_1_0(stream)
        held = archive.getinfo(member).file_size - stream.tell()
    if kind.hasobject or any(n < 0 for n in shape) or int(np.prod([*map(float, shape)])) > held:
        raise _wrong(f"{names.PREDICTIONS}: {member} claims {kind} {shape} in {held:,} bytes"[:120])
    return shape, kind


def _wrong(reason: str) -> RunFolderError:
    return RunFolderError(f"{names.PREDICTIONS} as mlptrain writes it", reason, "leave it out")
