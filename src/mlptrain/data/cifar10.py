"""CIFAR-10's official binary records: their layout, their hashes, and the arrays they become.

A record is one label byte followed by 3,072 pixel bytes, channel by channel (1,024 red, 1,024
green, 1,024 blue), each channel row by row; a file holds 10,000 of them. See "Binary version" on
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from mlptrain.data.arrays import Bytes, ImageArrays, aligned_empty
from mlptrain.errors import DataError, reason_of

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

RecordReader = Callable[[str], bytes]
"""Returns the content of the record file with the given name.

Raises FileNotFoundError where there is none, OSError or ValueError where it cannot be read.
"""


class DamagedRecordsError(DataError):
    """Some of the six record files are missing or are not the official bytes.

    Attributes:
        damaged: file name to reason.
    """

    def __init__(self, where: str, damaged: dict[str, str]) -> None:
        super().__init__(
            expected=f"the six official CIFAR-10 record files in {where}",
            received="; ".join(f"{name}: {reason}" for name, reason in damaged.items()),
            action="put the official files there, or leave data.path out to have them fetched",
        )
        self.damaged = damaged


def file_bytes() -> int:
    """Return the size of one record file: 30,730,000 bytes."""
    return IMAGES_PER_FILE * RECORD_BYTES


def read_records(folder: Path) -> ImageArrays:
    """Return the images in the six record files of a folder, verified.

    Raises:
        DamagedRecordsError: with each file that is not the official one, and why.
    """
    return decode_records(verified_records(partial(read_file, folder), str(folder)))


def damaged_records(folder: Path) -> dict[str, str]:
    """Return which of the six files are not the official ones, and why; empty if all are."""
    try:
        for _ in verified_records(partial(read_file, folder), str(folder)):
            pass
    except DamagedRecordsError as error:
        return error.damaged
    return {}


def verified_records(read: RecordReader, where: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each official record file that `read` returns.

    One file is in memory at a time, and the bytes that are hashed are the bytes that are yielded.

    Args:
        read: called once for each of the six names.
        where: the place of the files, for the error.

    Raises:
        DamagedRecordsError: after the last file, if any is missing or is not the official one.
    """
    damaged = {}
    for name in RECORD_SHA1:
        try:
            content = read(name)
            fault = _fault(name, content)
        except FileNotFoundError:
            fault = "missing"
        except (OSError, ValueError) as error:
            fault = reason_of(error)
        if fault:
            damaged[name] = fault
        else:
            yield name, content
    if damaged:
        raise DamagedRecordsError(where, damaged)


def decode_records(files: Iterable[tuple[str, bytes]]) -> ImageArrays:
    """Return the images in verified record files, given as name and content."""
    train, test = len(TRAIN_FILES) * IMAGES_PER_FILE, IMAGES_PER_FILE
    arrays = ImageArrays(
        train_images=aligned_empty((train, 32, 32, 3), np.uint8),
        train_labels=np.empty((train,), np.uint8),
        test_images=np.empty((test, 32, 32, 3), np.uint8),
        test_labels=np.empty((test,), np.uint8),
    )
    for name, content in files:
        records = np.frombuffer(content, np.uint8).reshape(IMAGES_PER_FILE, RECORD_BYTES)
        if name == TEST_FILE:
            images, labels = arrays.test_images, arrays.test_labels
        else:
            start = TRAIN_FILES.index(name) * IMAGES_PER_FILE
            rows = slice(start, start + IMAGES_PER_FILE)
            images, labels = arrays.train_images[rows], arrays.train_labels[rows]
        labels[:] = records[:, 0]
        pixels = images.reshape(IMAGES_PER_FILE, CHANNEL_BYTES, 3)
        # Channel by channel is over three times faster than one transposed assignment.
        for channel in range(3):
            first = 1 + channel * CHANNEL_BYTES
            pixels[:, :, channel] = records[:, first : first + CHANNEL_BYTES]
    return arrays


def encode_records(images: Bytes, labels: Bytes) -> Bytes:
    """Return images, uint8 `(n, 32, 32, 3)`, and labels, uint8 `(n,)`, as records `(n, 3073)`."""
    channels = images.reshape(len(images), CHANNEL_BYTES, 3).transpose(0, 2, 1)
    return np.column_stack([labels, channels.reshape(len(images), -1)])


def read_file(folder: Path, name: str) -> bytes:
    """Return the content of a record file, or of a file in another layout of about that size.

    Raises:
        FileNotFoundError: there is no regular file; a pipe would be waited on for ever.
        ValueError: the file is too large to be one of CIFAR-10's.
        OSError: the file cannot be read.
    """
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(path)
    # A Python batch is about 1 % larger than its records.
    if (size := path.stat().st_size) > 2 * file_bytes():
        raise ValueError(f"size is {size:,} bytes, larger than any file of CIFAR-10")
    return path.read_bytes()


def _fault(name: str, content: bytes) -> str | None:
    if len(content) != file_bytes():
        return f"size is {len(content):,} bytes, the official file has {file_bytes():,}"
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    sha1 = digest.hexdigest()
    if sha1 == RECORD_SHA1[name]:
        return None
    for other, expected in RECORD_SHA1.items():
        if sha1 == expected:
            return f"hash is that of {other}: the files are swapped"
    return f"hash is {sha1[:12]}…, the official file's is {RECORD_SHA1[name][:12]}…"
