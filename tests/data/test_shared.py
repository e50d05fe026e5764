import os
import platform
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mlptrain.data import shared
from mlptrain.data.shared import share_arrays, shared_arrays, shared_folder

IMAGES = np.arange(210, dtype=np.uint8).reshape(7, 30)
NOISE = np.linspace(-1, 1, 11, dtype=np.float32)


class Maker:
    """Makes the arrays, and counts how often."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"images": IMAGES.copy(), "noise": NOISE.copy()}


@contextmanager
def sharing():
    """As a worker of a sweep shares arrays; gives the folder."""
    with shared_folder() as folder, share_arrays(folder):
        yield folder


@pytest.fixture
def make():
    return Maker()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def assert_right(arrays):
    assert sorted(arrays) == ["images", "noise"]
    for name, original in (("images", IMAGES), ("noise", NOISE)):
        np.testing.assert_array_equal(arrays[name], original, strict=True)


def test_without_a_sweep_arrays_are_made(cache, make):
    for _ in range(2):
        assert_right(shared_arrays("x", make))
    assert make.calls == 2
    assert not cache.exists()


def test_in_a_sweep_they_are_made_once_and_mapped_aligned(cache, make):
    with sharing():
        for _ in range(3):
            arrays = shared_arrays("x", make)
            assert_right(arrays)
            assert all(array.ctypes.data % 64 == 0 for array in arrays.values())
            assert all(isinstance(array, np.memmap) for array in arrays.values())
    assert make.calls == 1


def test_arrays_of_another_name_are_others(cache, make):
    with sharing():
        shared_arrays("x", lambda: {"images": np.zeros(3)})
        assert_right(shared_arrays("y", make))


def test_writing_changes_a_private_copy_only(cache, make):
    with sharing():
        shared_arrays("x", make)["images"][:] = 0
        assert_right(shared_arrays("x", make))


def test_after_the_sweep_nothing_is_left(cache, make, monkeypatch):
    def sweep():
        with sharing():
            shared_arrays("x", make)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep()
    assert list(cache.iterdir()) == []
    assert_right(shared_arrays("x", make))
    assert make.calls == 2


def test_where_nothing_can_be_written_each_worker_has_its_own(tmp_path, make, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "file" / "cache"))
    with sharing():
        assert_right(shared_arrays("x", make))
    assert (tmp_path / "file").read_text() == "mine"


def test_on_a_full_disk_what_was_made_is_kept_and_half_files_are_not(cache, make, monkeypatch):
    def full(path, *_, **__):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with sharing() as folder:
        assert_right(shared_arrays("x", make))
        assert make.calls == 1
        assert [p for p in folder.rglob("*") if p.suffix != ".lock"] == []
        monkeypatch.undo()


def test_a_folder_that_is_taken_away_is_done_without(cache, make):
    with sharing() as folder:
        folder.rmdir()
        assert_right(shared_arrays("x", make))


def test_leftovers_of_dead_sweeps_are_removed_and_those_of_living_ones_kept(cache):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = platform.node()
    dead, living, remote, foreign = (
        cache / f"cifar10.sweep-{owner}-abcd1234"
        for owner in (f"{host}-{ended.pid}", f"{host}-{os.getpid()}", f"other-{ended.pid}", host)
    )
    for folder in (dead, living, remote, foreign):
        folder.mkdir(parents=True)
        (folder / "images.npy").write_bytes(b"x")
    with sharing():
        assert not dead.exists()
    assert all((folder / "images.npy").exists() for folder in (living, remote, foreign))


def test_a_host_whose_name_begins_alike_keeps_its_folder(cache, monkeypatch):
    monkeypatch.setattr(shared, "process_exists", lambda process: False)
    theirs = cache / f"cifar10.sweep-{platform.node()}-2-{os.getpid()}-abcd1234"
    theirs.mkdir(parents=True)
    with sharing():
        assert theirs.exists()


RACER = """
import sys, time
from pathlib import Path
import numpy as np
from mlptrain.data.shared import share_arrays, shared_arrays

here, folder, own, other = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]

def make():
    with (here / "made").open("a") as stream:
        stream.write(own)
    while not (here / other).exists():  # the other one is about to ask
        time.sleep(0.01)
    time.sleep(0.1)
    return {"a": np.arange(1000)}

(here / own).touch()
with share_arrays(folder):
    arrays = shared_arrays("x", make)
assert (arrays["a"] == np.arange(1000)).all()
"""


def test_two_processes_that_ask_at_once_make_them_once(cache, tmp_path):
    source = Path(shared.__file__).parents[2]
    with shared_folder() as folder:
        both = [
            subprocess.Popen(
                [sys.executable, "-c", RACER, str(tmp_path), str(folder), *names],
                env={**os.environ, "PYTHONPATH": str(source)},
            )
            for names in (("1", "2"), ("2", "1"))
        ]
        assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert len((tmp_path / "made").read_text()) == 1
