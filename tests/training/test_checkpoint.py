import dataclasses
import json
import os

import numpy as np
import pytest

from mlptrain.errors import RunFolderError
from mlptrain.store.run_folder import RunFolder
from mlptrain.training import checkpoint
from mlptrain.training.checkpoint import State

CONFIG = "a" * 64


def row(epoch):
    return {"epoch": epoch, "loss": 1 / 3 + epoch, "val_loss": None, "learning_rate": 1e-3}


def state(epoch, best_weights=True):
    """A state in which every array differs, and some are numbers, empty, or of other types."""
    rng = np.random.default_rng(epoch)
    weights = [rng.normal(size=(4, 3)).astype(np.float32) for _ in range(12)]
    return State(
        epoch=epoch,
        history=[row(number) for number in range(1, epoch + 1)],
        callbacks={"early_stopping": {"best": 0.1 + 0.2, "wait": epoch}, "best": {"best": None}},
        weights=weights,
        optimizer=[np.asarray(np.int64(epoch)), np.asarray(np.float32(1e-3)), weights[0] * 2],
        best_weights=[weights[1] * 3] if best_weights else [],
    )


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


@pytest.fixture
def three(folder):
    """A folder after three epochs."""
    for epoch in (1, 2, 3):
        checkpoint.save(folder, state(epoch), CONFIG)
    return folder


def newest(folder, ending):
    return folder.file(f"checkpoint/epoch-00003.{ending}")


def assert_same(loaded, expected):
    assert (loaded.epoch, loaded.history) == (expected.epoch, expected.history)
    assert loaded.callbacks == expected.callbacks
    for part in ("weights", "optimizer", "best_weights", "average"):
        ours, theirs = getattr(loaded, part), getattr(expected, part)
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("best_weights", [True, False])
def test_what_is_loaded_is_what_was_saved_to_the_last_bit(folder, best_weights):
    checkpoint.save(folder, state(1, best_weights), CONFIG)
    assert_same(checkpoint.load(folder, CONFIG), state(1, best_weights))


def test_the_newest_counts(three):
    assert_same(checkpoint.load(three, CONFIG), state(3))


def test_epochs_are_ordered_as_numbers(folder):
    for epoch in (9, 10, 99_999, 100_000):
        checkpoint.save(folder, state(epoch), CONFIG)
    assert checkpoint.load(folder, CONFIG).epoch == 100_000


def test_at_most_two_are_kept_and_nothing_else_is_left_behind(three):
    names = sorted(entry.name for entry in three.file("checkpoint").iterdir())
    stems = ("epoch-00002", "epoch-00003")
    assert names == [f"{stem}.{ending}" for stem in stems for ending in ("json", "npz")]


def test_while_one_is_written_there_are_never_more_than_two(folder, monkeypatch):
    sync, sizes = os.fsync, []

    def measured(descriptor):
        sizes.append(sum(file.stat().st_size for file in folder.file("checkpoint").iterdir()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", measured)
    for epoch in range(1, 6):
        checkpoint.save(folder, state(epoch), CONFIG)
    one = newest_size(folder, 5)
    assert len(sizes) == 10
    assert one < max(sizes) <= 2 * one


def newest_size(folder, epoch):
    stem = folder.file(f"checkpoint/epoch-{epoch:05d}")
    return sum(stem.with_suffix(ending).stat().st_size for ending in (".npz", ".json"))


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_what_a_kill_left_half_written_goes_with_the_next_one(three, ending):
    place = three.file("checkpoint")
    (place / f".epoch-00004.{ending}.4711.part").write_bytes(b"half")
    (place / "epoch-00007.npz").write_bytes(b"of a later epoch that nothing vouches for")
    assert_same(checkpoint.load(three, CONFIG), state(3))
    checkpoint.save(three, state(4), CONFIG)
    stems = {entry.name.partition(".")[0] for entry in place.iterdir()}
    assert stems == {"epoch-00003", "epoch-00004"}


def test_going_on_after_a_damaged_newest_keeps_the_one_that_was_used(three):
    newest(three, "npz").write_bytes(b"")
    checkpoint.save(three, state(3), CONFIG)
    assert_same(checkpoint.load(three, CONFIG), state(3))
    newest(three, "npz").write_bytes(b"")
    assert_same(checkpoint.load(three, CONFIG), state(2))


def test_a_best_epoch_that_is_the_last_is_written_once(folder):
    last = state(1)
    average = [array / 3 for array in last.weights]
    best = dataclasses.replace(last, best_weights=last.weights, average=average)
    checkpoint.save(folder, best, CONFIG)
    with np.load(folder.file("checkpoint/epoch-00001.npz"), allow_pickle=False) as arrays:
        assert not any(name.startswith("best") for name in arrays.files)
    assert_same(checkpoint.load(folder, CONFIG), best)


def test_a_new_run_has_none(folder):
    assert checkpoint.load(folder, CONFIG) is None


@pytest.mark.parametrize("ending", ["json", "npz"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_of_a_torn_newest_the_one_before_is_used(three, ending, share):
    file = newest(three, ending)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert_same(checkpoint.load(three, CONFIG), state(2))


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_of_a_newest_with_one_flipped_bit_the_one_before_is_used(three, ending):
    file = newest(three, ending)
    content = bytearray(file.read_bytes())
    for place in range(0, len(content), 7):
        if content[place : place + 1].isspace():
            continue  # between the values of a JSON file nothing is said
        content[place] ^= 1
        file.write_bytes(content)
        assert_same(checkpoint.load(three, CONFIG), state(2))
        content[place] ^= 1
    file.write_bytes(content)
    assert checkpoint.load(three, CONFIG).epoch == 3


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_of_a_newest_that_lost_a_file_the_one_before_is_used(three, ending):
    newest(three, ending).unlink()
    assert_same(checkpoint.load(three, CONFIG), state(2))


@pytest.mark.parametrize("content", ["[]", "null", "3", "{}", '{"sha256": null}', "\xff"])
def test_of_a_newest_that_is_something_else_the_one_before_is_used(three, content):
    newest(three, "json").write_text(content, encoding="latin-1")
    assert_same(checkpoint.load(three, CONFIG), state(2))


def test_arrays_of_another_epoch_are_not_taken_for_these(three):
    older = three.file("checkpoint/epoch-00002.npz").read_bytes()
    newest(three, "npz").write_bytes(older)
    assert_same(checkpoint.load(three, CONFIG), state(2))


def test_when_all_are_damaged_there_is_none(three):
    for file in three.file("checkpoint").glob("*.npz"):
        file.write_bytes(b"")
    assert checkpoint.load(three, CONFIG) is None


def test_a_checkpoint_of_another_config_is_refused(three):
    with pytest.raises(RunFolderError) as refused:
        checkpoint.load(three, "b" * 64)
    assert "bbbbbbbb" in refused.value.expected
    assert "aaaaaaaa" in refused.value.received
    assert "--like" in refused.value.action
    assert refused.value.exit_code == 2


def test_removing_it_leaves_the_rest_of_the_folder(three):
    three.write_text("history.csv", "kept")
    checkpoint.remove(three)
    assert [entry.name for entry in three.path.iterdir()] == ["history.csv"]
    checkpoint.remove(three)


def test_no_array_is_a_pickle(folder):
    checkpoint.save(folder, state(1), CONFIG)
    with np.load(folder.file("checkpoint/epoch-00001.npz"), allow_pickle=False) as arrays:
        assert {name.rpartition("_")[0] for name in arrays.files} == {
            "weights",
            "optimizer",
            "best_weights",
        }
    assert json.loads(folder.file("checkpoint/epoch-00001.json").read_text())["epoch"] == 1
