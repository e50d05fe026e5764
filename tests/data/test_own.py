"""Own images in memory: resized, in one order for every seed, and only those that were found."""

import shutil

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from mlptrain.config.compose import compose
from mlptrain.data.order import stratified_order
from mlptrain.errors import ConfigError, DataError
from mlptrain.images import reading
from mlptrain.images.image_file import as_images
from mlptrain.sweeps.launchers import Launcher
from mlptrain.sweeps.supervisor import supervise

SIDE = 6


def write(folder, shades):
    """One picture of a single grey for each shade."""
    folder.mkdir(parents=True)
    for number, shade in enumerate(shades):
        Image.new("L", (9, 7), int(shade)).save(folder / f"{number:02}.png")


@pytest.fixture
def photos(tmp_path):
    """Twenty dark images of `a`, ten bright ones of `b`; every image has its own shade."""
    write(tmp_path / "photos" / "a", range(20))
    write(tmp_path / "photos" / "b", range(200, 210))
    return tmp_path / "photos"


def config(path, *words, name="folder"):
    size = f"data.image_size={SIDE}"
    return compose([f"data={name}", f"data.path={path}", size, "train.batch_size=2", *words]).config


def loaded(*words, **options):
    return config(*words, **options).data.load(print)


def shades(split):
    """Of each image; they are all of one shade."""
    assert (split.images == split.images[:, :1, :1, :1]).all()
    return split.images[:, 0, 0, 0]


def test_images_are_squares_in_colours_with_the_class_of_their_folder(photos):
    dataset = loaded(photos)
    assert dataset.class_names == ("a", "b")
    for split in (dataset.train, dataset.validation, dataset.test):
        assert (split.images.dtype, split.images.shape[1:]) == (np.uint8, (SIDE, SIDE, 3))
        np.testing.assert_array_equal(split.labels, shades(split) >= 200)


def test_a_file_that_may_be_left_out_is_read_once(photos, monkeypatch):
    (photos / "a" / "00.png").write_bytes(b"no image")
    files = []
    read = reading.read_image_file
    monkeypatch.setattr(reading, "read_image_file", lambda file: files.append(file) or read(file))
    composed = config(photos, "data.skip_unreadable=true")
    first, again = composed.data.load(print), composed.data.load(print)
    assert len(files) == 30 + 30
    assert sorted(shades(first.train)) == sorted(shades(again.train))
    np.testing.assert_array_equal(first.train.labels, shades(first.train) >= 200)


def test_every_image_is_in_one_split(photos):
    dataset = loaded(photos)
    assert dataset.sizes() == {"train": 22, "validation": 2, "test": 6}
    together = np.concatenate(
        [shades(s) for s in (dataset.train, dataset.validation, dataset.test)]
    )
    assert sorted(together) == [*range(20), *range(200, 210)]


def test_splits_are_mixed_and_the_same_for_every_seed(photos):
    one, other = loaded(photos, "seed=1"), loaded(photos, "seed=2")
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(one, split).images, getattr(other, split).images)
    assert len(set(one.train.labels[:8])) == len(set(one.test.labels)) == 2


def test_a_split_seed_draws_other_validation_images_with_their_share_of_each_class(photos):
    usual, drawn, other = (
        loaded(photos, "data.validation_fraction=0.5", *extra)
        for extra in ((), ("data.split_seed=1",), ("data.split_seed=2",))
    )
    of_train = sorted(np.concatenate([shades(usual.train), shades(usual.validation)]))
    for dataset in (drawn, other):
        assert dataset.sizes() == usual.sizes()
        np.testing.assert_array_equal(dataset.test.images, usual.test.images)
        assert sorted([*shades(dataset.train), *shades(dataset.validation)]) == of_train
        counts = [np.bincount(s.labels) for s in (usual.validation, dataset.validation)]
        assert np.abs(counts[0] - counts[1]).max() <= 1
    assert len({tuple(sorted(shades(d.validation))) for d in (usual, drawn, other)}) == 3


def test_a_test_set_of_its_own_is_the_test_split(tmp_path):
    write(tmp_path / "set" / "train" / "a", range(10))
    write(tmp_path / "set" / "train" / "b", range(200, 210))
    write(tmp_path / "set" / "test" / "b", [250, 251])
    dataset = loaded(tmp_path / "set")
    assert sorted(shades(dataset.test)) == [250, 251]
    assert dataset.test.labels.tolist() == [1, 1]
    assert len(dataset.train) + len(dataset.validation) == 20


def test_a_limit_keeps_the_first_of_both_sets(photos):
    everything, few = (
        loaded(photos, "data.validation_fraction=0", "callbacks=none"),
        loaded(photos, "data.validation_fraction=0", "callbacks=none", "data.limit=5"),
    )
    assert few.sizes() == {"train": 5, "validation": 0, "test": 5}
    np.testing.assert_array_equal(few.train.images, everything.train.images[:5])


def test_arrays_give_what_the_same_pictures_in_a_folder_give(photos, tmp_path):
    files = [*sorted((photos / "a").iterdir()), *sorted((photos / "b").iterdir())]
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    labels = np.repeat([0, 1], [20, 10])
    np.savez(tmp_path / "a.npz", images=images, labels=labels, classes=np.array(["a", "b"]))
    one, other = loaded(photos), loaded(tmp_path / "a.npz", name="npz")
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(one, split).images, getattr(other, split).images)
        np.testing.assert_array_equal(getattr(one, split).labels, getattr(other, split).labels)


@pytest.mark.parametrize("shape", [(3, 9, 7), (3, 9, 7, 1), (3, 9, 7, 3), (3, SIDE, SIDE)])
def test_arrays_of_any_size_become_squares_in_colours(shape):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    made = as_images(images, SIDE)
    assert (made.dtype, made.shape) == (np.uint8, (3, SIDE, SIDE, 3))
    if shape[-1] != 3:
        assert (made == made[..., :1]).all()


def test_other_images_than_were_found_are_refused(photos):
    data = config(photos).data
    Image.new("L", (9, 7), 99).save(photos / "b" / "new.png")
    with pytest.raises(DataError) as caught:
        data.load(print)
    assert caught.value.received == "images, classes or counts that have changed since"
    assert "data.inventory=null" in caught.value.action


def test_all_damaged_images_are_named_at_once(photos):
    (photos / "a" / "07.png").write_bytes(b"no image")
    (photos / "b" / "03.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        loaded(photos)
    assert "2 of 30 files" in caught.value.received
    assert "07.png: not a PNG, JPEG, WebP or BMP image" in caught.value.received
    assert "03.png: an empty file" in caught.value.received
    assert "data.skip_unreadable=true" in caught.value.action
    lines = []
    data = config(photos, "data.skip_unreadable=true").data
    assert sum(data.load(lines.append).sizes().values()) == 28
    assert sum("left out" in line for line in lines) == 2


def test_a_validation_set_of_its_own_is_the_validation_split(tmp_path):
    for split, first in (("train", 0), ("val", 20), ("test", 30)):
        write(tmp_path / "set" / split / "a", range(first, first + 8))
        write(tmp_path / "set" / split / "b", range(first + 200, first + 208))
    dataset = loaded(tmp_path / "set")
    for split, first in (("train", 0), ("validation", 20), ("test", 30)):
        expected = [*range(first, first + 8), *range(first + 200, first + 208)]
        assert sorted(shades(getattr(dataset, split))) == expected
    with pytest.raises(ConfigError, match="a validation set of their own"):
        loaded(tmp_path / "set", "data.split_seed=1")
    few = loaded(tmp_path / "set", "data.limit=4")
    for split, first in (("train", 0), ("validation", 20), ("test", 30)):
        assert sorted(getattr(few, split).labels) == [0, 0, 1, 1]
        assert first <= min(shades(getattr(few, split)))


@pytest.mark.parametrize("limit", [4, 10, 20])
def test_a_limit_keeps_the_share_of_each_class(tmp_path, limit):
    for split in ("train", "test"):
        for number, name in enumerate("abcd"):
            write(tmp_path / "set" / split / name, range(30 * number, 30 * number + 30))
    dataset = loaded(
        tmp_path / "set", f"data.limit={limit}", "data.validation_fraction=0", "callbacks=none"
    )
    for split in (dataset.train, dataset.test):
        counts = np.bincount(split.labels, minlength=4)
        assert counts.min() >= limit // 4
        assert counts.max() <= -(-limit // 4)


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 99),
)
@example(sizes=[3, 3, 3, 21], share=0.21875, seed=0)
def test_every_stretch_of_the_order_has_its_share_of_each_class(sizes, share, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    order = stratified_order(labels)
    assert sorted(order) == list(range(len(labels)))
    cut = round(share * len(labels))
    for part, most in ((order[:cut], 1), (order[: 2 * cut], 1), (order[cut : 2 * cut], 2)):
        counts = np.bincount(labels[part], minlength=len(sizes))
        expected = np.array(sizes) * len(part) / len(labels)
        assert (abs(counts - expected) < most).all()


def test_a_class_of_two_images_has_one_to_train_on(tmp_path):
    for number in range(40):
        write(tmp_path / "set" / f"{number:02}", [number, 100 + number])
    dataset = loaded(tmp_path / "set")
    assert set(dataset.train.labels) == set(range(40))
    assert dataset.sizes() == {"train": 58, "validation": 6, "test": 16}


def test_dark_images_are_remarked_upon_with_their_brightest_value(tmp_path):
    write(tmp_path / "set" / "a", range(10))
    write(tmp_path / "set" / "b", range(5, 15))
    lines = []
    config(tmp_path / "set").data.load(lines.append)
    assert any("brightest value of all images is 14 of 255" in line for line in lines)


def test_images_that_are_gone_are_refused(photos):
    data = config(photos).data
    shutil.rmtree(photos)
    with pytest.raises(ConfigError, match="which is missing"):
        data.load(print)


def test_a_sweep_reads_images_once_before_its_workers_start(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    data, lines = config(photos).data, []
    with supervise(tmp_path, Launcher()) as (supervisor, _):
        supervisor.read_images([data, data.model_copy()])
        with supervisor.at_work():
            mapped = data.load(lines.append)
    assert lines == []
    np.testing.assert_array_equal(mapped.train.images, data.load(print).train.images)
