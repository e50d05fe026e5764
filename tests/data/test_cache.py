import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mlptrain.data import sources
from mlptrain.data.cache import cache_folder
from mlptrain.data.cifar10 import damaged_records
from mlptrain.data.sources import fetch_cifar10, locate_cifar10
from mlptrain.errors import DataError

TOO_LITTLE_ROOM = "make room or give access there, or set MLPTRAIN_CACHE"


@pytest.mark.parametrize("damage", ["truncated", "flipped", "swapped", "missing"])
def test_a_damaged_cache_is_named_and_fetched_again(tiny, nowhere, site, lines, damage):
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
    assert tiny.is_right(locate_cifar10(None, lines.append).arrays)
    assert damaged_records(cache_folder()) == {}
    damaged = [line for line in lines if "data_batch_1.bin is damaged" in line]
    assert len(damaged) == (0 if damage == "missing" else 1)


@pytest.mark.parametrize("size", [0, 1, 3072, 3073, 3074, 12_291])
def test_a_cached_file_cut_anywhere_is_named_and_fetched_again(tiny, nowhere, site, lines, size):
    tiny.write_folder(cache_folder())
    os.truncate(cache_folder() / "data_batch_4.bin", size)
    assert tiny.is_right(locate_cifar10(None, lines.append).arrays)
    assert f"data_batch_4.bin is damaged (size is {size:,} bytes" in lines[0]
    assert damaged_records(cache_folder()) == {}


def test_fetching_what_is_there_fetches_nothing(tiny, nowhere, site, lines):
    tiny.write_folder(cache_folder())
    assert fetch_cifar10(lines.append) == cache_folder()
    assert (site.requests, lines) == (0, [])


class TestNoRoom:
    """Where nothing can be written, an error says so, and nothing half-written remains."""

    def test_a_cache_that_cannot_be_written_is_an_error(self, nowhere, site, lines, monkeypatch):
        (nowhere / "file").write_text("a file where the folder should be")
        monkeypatch.setenv("MLPTRAIN_CACHE", str(nowhere / "file" / "cache"))
        with pytest.raises(DataError, match=TOO_LITTLE_ROOM):
            locate_cifar10(None, lines.append)

    @pytest.fixture
    def full_disk(self):
        """No file can grow past 8,000 bytes; a record file has 12,292, the archive more."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def test_a_full_disk_while_downloading_is_the_reason(
        self, tiny, nowhere, site, lines, full_disk
    ):
        with pytest.raises(DataError, match=r"official download: File too large"):
            locate_cifar10(None, lines.append)
        assert tiny.leftovers(nowhere / "cache") == []

    @pytest.fixture
    def archive_elsewhere(self, tiny, nowhere, monkeypatch):
        """A download that needs no room in the cache."""
        archive = nowhere / "cifar-10-binary.tar.gz"
        archive.write_bytes(tiny.ARCHIVES[archive.name])
        monkeypatch.setattr(sources, "SOURCES", {"official download": lambda *_: archive})

    def test_a_full_disk_while_records_are_cached_is_an_error(
        self, tiny, nowhere, archive_elsewhere, lines, full_disk
    ):
        with pytest.raises(DataError, match=TOO_LITTLE_ROOM) as caught:
            fetch_cifar10(lines.append)
        assert caught.value.received == "File too large"
        assert tiny.leftovers(nowhere / "cache") == []
        assert set(damaged_records(cache_folder()).values()) == {"missing"}


class TestProcesses:
    """Killed ones and several at once never leave a cache that is half right."""

    CODE = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, {tests!r})\n"
        "import tiny_cifar10; tiny_cifar10.activate()\n"
        "from mlptrain.data import sources; sources.ARCHIVE_URL = {url!r}\n"
        "{before}\n"
        "print(sources.fetch_cifar10(print))\n"
    )

    def start(self, site, before=""):
        tests = str(Path(__file__).parent)
        code = self.CODE.format(tests=tests, url=site.url, before=before)
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    @pytest.mark.parametrize(
        ("moment", "complete"),
        [
            ("1, Path, 'write_bytes'", 0),
            ("4, Path, 'write_bytes'", 3),
            ("1, Path, 'replace'", 0),
            ("6, Path, 'replace'", 5),
        ],
        ids=["downloaded", "half written", "before the first rename", "before the last rename"],
    )
    def test_killed_at_any_moment_no_file_is_half_there_and_the_next_fetch_completes(
        self, tiny, nowhere, site, lines, moment, complete
    ):
        process = self.start(site, f"tiny_cifar10.die_at({moment})")
        process.communicate(timeout=30)
        assert process.returncode == -9
        assert len(tiny.leftovers(nowhere / "cache")) == 1
        assert list(damaged_records(cache_folder()).values()) == ["missing"] * (6 - complete)
        assert tiny.is_right(locate_cifar10(None, lines.append).arrays)
        assert damaged_records(cache_folder()) == {}
        assert tiny.leftovers(nowhere / "cache") == []

    def test_of_two_processes_one_fetches_and_the_other_waits_for_it(self, nowhere, site):
        site.answer = "slow"
        processes = [self.start(site) for _ in range(2)]
        outputs = [process.communicate(timeout=30)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        assert site.requests == 1
        assert sum("Waiting for another" in output for output in outputs) == 1
        assert damaged_records(cache_folder()) == {}
