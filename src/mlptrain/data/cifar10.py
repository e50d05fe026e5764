"""CIFAR-10's official binary records: their layout, their hashes, and the arrays they become.

A record is one label byte followed by 3,072 pixel bytes, channel by channel (1,024 red, 1,024
green, 1,024 blue), each channel row by row; a file holds 10,000 of them. See "Binary version" on
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import numpy as np

from mlptrain.data.arrays import Bytes, ImageArrays, aligned_empty
from mlptrain.errors import DataError

TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"

# git's SHA-1 of the official files: what `git hash-object FILE` prints.
RECORD_SHA1 = {
    "data_batch_1.bin": "da09f891072747be90e69e4f00ba7cba870dc87e",
    "data_batch_2.bin": "7e958840b7a55df3353574298ebc9ca0e4bba48e",
    "data_batch_3.bin": "5259a3e9674ffdf2d5c33a1067f7192ff06c9e2f",
    "data_batch_4.bin": "301e7d16d78428f13262e87a5bc78ed45b8224aa",
    "data_batch_5.bin": "51fe428dfbdd065852912743ae8b7b63bb1e9d8d",
    "test_batch.bin": "e3f3b4653f18f27ada1558cabc3352a3ed1b25cc",
}
# One string for the whole data set, recorded in run.json.
DATASET_CHECKSUM = hashlib.sha256(
    "".join(RECORD_SHA1[name] for name in sorted(RECORD_SHA1)).encode()
).hexdigest()

IMAGES_PER_FILE = 10_000
CHANNEL_BYTES = 32 * 32
RECORD_BYTES = 1 + 3 * CHANNEL_BYTES


class DamagedRecordsError(DataError):
    """Some of the six record files are missing or are not the official bytes.

    Attributes:
        damaged: file name to reason (missing, size, hash).
    """

    def __init__(self, where: str, damaged: dict[str, str]) -> None:
        super().__init__(
            expected=f"the six official CIFAR-10 record files in {where}",
            received="; ".join(f"{name}: {reason}" for name, reason in damaged.items()),
            action="put the official files there, or leave data.path out to have them fetched",
        )
        self.damaged = damaged


class Cifar10Builder:
    """Takes record files one by one, in any order, and checks the very bytes it decodes.

    Memory: the final arrays and nothing else; the caller holds one file at a time.
    """

    def __init__(self) -> None:
        train, test = len(TRAIN_FILES) * IMAGES_PER_FILE, IMAGES_PER_FILE
        self.arrays = ImageArrays(
            train_images=aligned_empty((train, 32, 32, 3), np.uint8),
            train_labels=np.empty((train,), np.uint8),
            test_images=np.empty((test, 32, 32, 3), np.uint8),
            test_labels=np.empty((test,), np.uint8),
        )
        self.damaged = dict.fromkeys(RECORD_SHA1, "missing")

    def add(self, name: str, records: Bytes) -> bool:
        """Decode one file's bytes (uint8, any shape); False if they are not the official ones."""
        fault = _size_fault(records.nbytes) or _hash_fault(name, _blob_sha1_of(records))
        if fault:
            self.damaged[name] = fault
            return False
        rows = records.reshape(IMAGES_PER_FILE, RECORD_BYTES)
        images, labels = self._place(name)
        labels[:] = rows[:, 0]
        pixels = images.reshape(IMAGES_PER_FILE, CHANNEL_BYTES, 3)
        # Channel by channel is over three times faster than one transposed assignment.
        for channel in range(3):
            start = 1 + channel * CHANNEL_BYTES
            pixels[:, :, channel] = rows[:, start : start + CHANNEL_BYTES]
        self.damaged.pop(name, None)
        return True

    def finish(self, where: str) -> ImageArrays:
        """Return the arrays.

        Raises:
            DamagedRecordsError: a file was refused or never added; `where` names their place.
        """
        if self.damaged:
            raise DamagedRecordsError(where, self.damaged)
        return self.arrays

    def _place(self, name: str) -> tuple[Bytes, Bytes]:
        if name == TEST_FILE:
            return self.arrays.test_images, self.arrays.test_labels
        start = TRAIN_FILES.index(name) * IMAGES_PER_FILE
        rows = slice(start, start + IMAGES_PER_FILE)
        return self.arrays.train_images[rows], self.arrays.train_labels[rows]


def file_bytes() -> int:
    """Return the size of one record file: 30,730,000 bytes."""
    return IMAGES_PER_FILE * RECORD_BYTES


def blob_sha1(path: Path) -> str:
    """Return git's SHA-1 of a file's content, as 40 hex digits.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def damaged_records(folder: Path) -> dict[str, str]:
    """Return which of the six files are not the official ones, and why; empty if all are.

    The reason starts with `missing`, `size`, `hash` or `unreadable`.
    """
    damaged = {}
    for name in RECORD_SHA1:
        try:
            fault = _stat_fault(folder / name) or _hash_fault(name, blob_sha1(folder / name))
        except OSError as error:
            fault = f"unreadable: {error.strerror}"
        if fault:
            damaged[name] = fault
    return damaged


def read_records(folder: Path) -> ImageArrays:
    """Read and verify the six record files of a folder.

    Each file is read once: the bytes that are hashed are the bytes that are decoded.

    Raises:
        DamagedRecordsError: with each file that is not the official one, and why.
    """
    builder = Cifar10Builder()
    for name in RECORD_SHA1:
        path = folder / name
        try:
            fault = _stat_fault(path)
            if fault is None:
                builder.add(name, np.fromfile(path, np.uint8, count=file_bytes()))
        except OSError as error:
            fault = f"unreadable: {error.strerror}"
        if fault:
            builder.damaged[name] = fault
    return builder.finish(str(folder))


def encode_records(images: Bytes, labels: Bytes) -> Bytes:
    """Return images (uint8 `(n, 32, 32, 3)`) and labels (`(n,)`) as records, uint8 `(n, 3073)`.

    Raises:
        ValueError: the shapes do not match.
    """
    if images.shape != (len(labels), 32, 32, 3):
        raise ValueError(
            f"Expected images of shape ({len(labels)}, 32, 32, 3), received {images.shape}"
        )
    records = np.empty((len(images), RECORD_BYTES), np.uint8)
    records[:, 0] = labels
    for channel in range(3):
        start = 1 + channel * CHANNEL_BYTES
        records[:, start : start + CHANNEL_BYTES] = images[..., channel].reshape(len(images), -1)
    return records


def write_bytes(path: Path, records: Bytes) -> None:
    """Write already encoded records and have them on disk when this returns."""
    with path.open("wb") as file:
        file.write(np.ascontiguousarray(records).data)
        file.flush()
        os.fsync(file.fileno())


def _stat_fault(path: Path) -> str | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    # A pipe or a device in place of the file would block the read.
    return _size_fault(status.st_size) if stat.S_ISREG(status.st_mode) else "not a regular file"


def _size_fault(size: int) -> str | None:
    if size == file_bytes():
        return None
    return f"size is {size:,} bytes, the official file has {file_bytes():,}"


def _hash_fault(name: str, sha1: str) -> str | None:
    if sha1 == RECORD_SHA1[name]:
        return None
    others = [other for other, expected in RECORD_SHA1.items() if expected == sha1]
    if others:
        return f"hash is that of {others[0]}: the files are swapped"
    return f"hash is {sha1[:12]}…, the official file's is {RECORD_SHA1[name][:12]}…"


def _blob_sha1_of(records: Bytes) -> str:
    digest = hashlib.sha1(b"blob %d\0" % records.nbytes, usedforsecurity=False)
    digest.update(np.ascontiguousarray(records).data)
    return digest.hexdigest()
