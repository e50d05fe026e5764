import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_cifar10

from mlptrain.data.cache import cache_folder, verify_cache
from mlptrain.data.sources import fetch_cifar10, locate_cifar10
from mlptrain.errors import DataError


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
        assert tiny_cifar10.is_right(locate_cifar10(None, said.append).arrays)
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
        assert tiny_cifar10.is_right(located.arrays)
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
        with pytest.raises(DataError, match=r"official download: .*File too large"):
            locate_cifar10(None, said.append)
        assert tiny_cifar10.leftovers(nowhere / "cache") == []

    def test_a_full_disk_while_caching_still_gives_the_images(
        self, tiny, nowhere, said, disk_that_fills_up
    ):
        datasets = nowhere / "keras" / "datasets"
        tiny.write_folder(datasets / "cifar-10-batches-py-target", tiny.python_members())
        disk_that_fills_up()
        assert tiny_cifar10.is_right(locate_cifar10(None, said.append).arrays)
        assert "cannot be kept" in said[-1]
        with pytest.raises(DataError, match="make room"):
            fetch_cifar10(said.append)
        assert tiny_cifar10.leftovers(nowhere / "cache") == []
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
        assert tiny_cifar10.leftovers(nowhere / "cache") != []
        assert set(verify_cache().damaged.values()) == {"missing"}
        assert tiny_cifar10.is_right(locate_cifar10(None, said.append).arrays)
        assert verify_cache().intact
        assert tiny_cifar10.leftovers(nowhere / "cache") == []

    def test_of_two_processes_one_fetches_and_the_other_waits_for_it(self, nowhere, site):
        site.answer = "slow"
        processes = [self.start(site) for _ in range(2)]
        outputs = [process.communicate(timeout=30)[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        assert site.requests == 1
        assert sum("waiting for it" in output for output in outputs) == 1
        assert verify_cache().intact
