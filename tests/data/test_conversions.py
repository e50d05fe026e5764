import os
import pickle

import numpy as np
import pytest

from mlptrain.data import conversions
from mlptrain.data.sources import locate_cifar10
from mlptrain.errors import DataError


def python_members(tiny, change):
    """The batches as Python 3 pickles them, each changed first."""
    members = {}
    for name in tiny.NAMES:
        rows = np.frombuffer(tiny.RECORDS[name], np.uint8).reshape(-1, 3073)
        batch = {b"data": rows[:, 1:], b"labels": rows[:, 0].tolist()}
        change(batch)
        members[f"cifar-10-batches-py/{name.removesuffix('.bin')}"] = pickle.dumps(batch)
    return members


class TestOwnCopy:
    """`data.path`: the user's own copy, in every layout, and never changed."""

    @pytest.mark.parametrize("name", conversions.ARCHIVE_SHA256)
    def test_every_official_archive_is_read_whatever_its_name(self, tiny, tmp_path, lines, name):
        path = tmp_path / "renamed"
        path.write_bytes(tiny.ARCHIVES[name])
        located = locate_cifar10(path, lines.append)
        assert tiny.is_right(located.arrays)
        assert located.source == str(path)
        assert [file.name for file in tmp_path.iterdir()] == ["renamed"]

    @pytest.mark.parametrize("layout", ["folder", "inner folder"])
    @pytest.mark.parametrize("kind", ["binary", "python"])
    def test_every_official_folder_is_read(self, tiny, tmp_path, lines, kind, layout):
        members = tiny.binary_members() if kind == "binary" else tiny.python_members()
        path = tiny.write_folder(tmp_path / "data", members)
        path = next(path.iterdir()) if layout == "folder" else path
        assert tiny.is_right(locate_cifar10(path, lines.append).arrays)

    def test_only_the_given_path_is_used_and_it_stays_as_it_was(self, tiny, nowhere, lines):
        tiny.write_folder(nowhere / "cache" / "cifar10")
        own_copy = tiny.write_folder(nowhere / "own")
        os.truncate(own_copy / "data_batch_2.bin", 100)
        with pytest.raises(DataError, match=r"data_batch_2\.bin: size is 100 bytes"):
            locate_cifar10(own_copy, lines.append)
        assert (own_copy / "data_batch_2.bin").stat().st_size == 100

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda path: None, "no such folder or regular file"),
            (lambda path: path.mkdir(), "holds none of CIFAR-10's files"),
            (lambda path: path.write_bytes(b"<html>"), "not one of the archives"),
            (lambda path: path.write_bytes(b""), "not one of the archives"),
            (os.mkfifo, "no such folder or regular file"),
            (lambda path: path.symlink_to("/dev/zero"), "no such folder or regular file"),
        ],
        ids=["nothing", "an empty folder", "a web page", "an empty file", "a pipe", "a device"],
    )
    def test_a_path_without_the_data_is_refused_with_the_reason(
        self, tiny, tmp_path, lines, make, reason
    ):
        make(tmp_path / "own")
        with pytest.raises(DataError, match=reason):
            locate_cifar10(tmp_path / "own", lines.append)


class TestUntrustedFiles:
    """Archives and pickles are other people's; none of it gets to act."""

    @pytest.mark.parametrize("name", conversions.ARCHIVE_SHA256)
    @pytest.mark.parametrize("damage", ["cut", "longer", "one bit flipped"])
    def test_an_archive_of_other_content_is_refused_before_it_is_opened(
        self, tiny, tmp_path, lines, monkeypatch, name, damage
    ):
        content = bytearray(tiny.ARCHIVES[name])
        if damage == "cut":
            del content[-1]
        elif damage == "longer":
            content += b"\0"
        else:
            content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
        monkeypatch.setattr("tarfile.open", lambda *_, **__: pytest.fail("it was opened"))
        with pytest.raises(DataError, match="not one of the archives"):
            locate_cifar10(tmp_path / name, lines.append)

    def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(self, tiny, tmp_path, lines):
        class Attack:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "hacked"),)

        batches = {name: pickle.dumps(Attack()) for name in ("data_batch_1", "data_batch_2")}
        path = tiny.write_folder(tmp_path / "own", batches)
        with pytest.raises(DataError, match="refused, because it asks for"):
            locate_cifar10(path, lines.append)
        assert not (tmp_path / "hacked").exists()

    @pytest.mark.parametrize("content", [b"", b"\x80\x02", pickle.dumps({b"data": 1}), b"(" * 99])
    def test_a_broken_pickle_is_refused(self, tiny, tmp_path, lines, content):
        path = tiny.write_folder(tmp_path / "own", {"data_batch_1": content})
        with pytest.raises(DataError, match=r"data_batch_1\.bin: not a CIFAR-10 batch"):
            locate_cifar10(path, lines.append)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda batch: batch[b"labels"].reverse(), "hash is"),
            (lambda batch: batch[b"labels"].__setitem__(0, 10), "hash is"),
            (lambda batch: batch[b"labels"].pop(), "not a CIFAR-10 batch"),
            (lambda batch: batch.update({b"data": batch[b"data"] // 2}), "hash is"),
        ],
        ids=["labels in another order", "an eleventh class", "a label missing", "darker images"],
    )
    def test_a_batch_of_other_content_is_refused(self, tiny, tmp_path, lines, change, reason):
        path = tiny.write_folder(tmp_path / "own", python_members(tiny, change))
        with pytest.raises(DataError, match=rf"data_batch_1\.bin: {reason}"):
            locate_cifar10(path, lines.append)

    def test_a_file_far_too_large_is_refused_before_it_is_read(self, tiny, tmp_path, lines):
        path = tiny.write_folder(tmp_path / "own", {"data_batch_1": b""})
        os.truncate(path / "data_batch_1", 1 << 40)
        with pytest.raises(DataError, match="larger than any file"):
            locate_cifar10(path, lines.append)

    def test_a_reason_cannot_steer_the_terminal(self, tiny, tmp_path, lines):
        content = b"c\x1b[2J\nx\n."
        path = tiny.write_folder(tmp_path / "own", {"data_batch_1": content})
        with pytest.raises(DataError, match=r"asks for \\x1b\[2J\.x"):
            locate_cifar10(path, lines.append)
