import numpy as np
import pytest

from mlptrain.config.compose import compose
from mlptrain.data.arrays import is_aligned
from mlptrain.data.mini import MINI_CHECKSUM, load_mini
from mlptrain.datasets.cifar10 import CIFAR10_CLASSES as CLASS_NAMES
from mlptrain.datasets.cifar10_mini import Data
from mlptrain.errors import ConfigError


def data(**changes):
    known = {
        "name": "cifar10_mini",
        "validation_fraction": 0.1,
        "scaling": "standardize",
        "path": None,
        "limit": None,
    }
    return Data(**{**known, **changes})


@pytest.fixture
def load(lines):
    return lambda data: data.load(lines.append)


def test_validation_is_the_first_part_of_train(load):
    dataset, source = load(data()), load_mini()
    assert dataset.sizes() == {"train": 1_800, "validation": 200, "test": 500}
    np.testing.assert_array_equal(dataset.validation.images, source.train_images[:200])
    np.testing.assert_array_equal(dataset.validation.labels, source.train_labels[:200])
    np.testing.assert_array_equal(dataset.train.images, source.train_images[200:])
    np.testing.assert_array_equal(dataset.train.labels, source.train_labels[200:])
    np.testing.assert_array_equal(dataset.test.images, source.test_images)


def test_a_split_seed_draws_other_validation_images_of_the_same_training_set(load):
    splits = [load(data(split_seed=seed, limit=500)) for seed in (0, 1, 1)]
    source = load_mini()
    for dataset in splits:
        assert dataset.sizes() == {"train": 450, "validation": 50, "test": 500}
        together = np.concatenate([dataset.validation.images, dataset.train.images])
        rows = np.unique(together.reshape(500, -1), axis=0)
        np.testing.assert_array_equal(
            rows, np.unique(source.train_images[:500].reshape(500, -1), axis=0)
        )
        np.testing.assert_array_equal(dataset.test.images, source.test_images)
        assert is_aligned(dataset.train.images)
    first, other, again = (dataset.validation.images for dataset in splits)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(other, again)
    positions = data(split_seed=1, limit=500).split_positions(
        {"train": source.train_labels, "test": source.test_labels}
    )
    np.testing.assert_array_equal(other, source.train_images[positions["validation"]])
    np.testing.assert_array_equal(
        splits[1].validation.labels, source.train_labels[positions["validation"]]
    )


@pytest.mark.parametrize(
    ("overrides", "received"),
    [
        (["data.split_seed=1", "data.validation_fraction=0"], "no validation images"),
        (["data.split_seed=-1"], "data.split_seed=-1"),
        (["data.split_seed=1.5"], "data.split_seed=1.5"),
        (["data.split_seed=true"], "data.split_seed"),
    ],
)
def test_a_split_seed_that_draws_nothing_is_refused(overrides, received):
    with pytest.raises(ConfigError) as error:
        compose(["data=cifar10_mini", *overrides])
    assert received in str(error.value)


def test_images_and_labels_stay_uint8(load):
    dataset = load(data())
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.images.dtype == split.labels.dtype == np.uint8
        assert split.images.shape == (len(split), 32, 32, 3)


def test_without_validation_all_images_train(load):
    dataset = load(data(validation_fraction=0.0))
    assert dataset.sizes() == {"train": 2_000, "validation": 0, "test": 500}


def test_limit_takes_the_first_images_before_the_split(load):
    dataset, source = load(data(limit=100)), load_mini()
    assert dataset.sizes() == {"train": 90, "validation": 10, "test": 100}
    np.testing.assert_array_equal(dataset.validation.images, source.train_images[:10])
    np.testing.assert_array_equal(dataset.train.images, source.train_images[10:100])
    np.testing.assert_array_equal(dataset.test.images, source.test_images[:100])


def test_a_limit_beyond_the_data_changes_nothing(load):
    assert load(data(limit=10_000)).sizes() == load(data()).sizes()


def test_a_limit_between_test_and_train_leaves_the_test_set_whole(load):
    assert load(data(limit=1_000)).sizes() == {"train": 900, "validation": 100, "test": 500}


@pytest.mark.parametrize(("fraction", "images"), [(0.29, 580), (0.0004, 0), (0.0005, 1)])
def test_the_fraction_is_rounded_down_to_whole_images(load, fraction, images):
    assert load(data(validation_fraction=fraction)).sizes()["validation"] == images


def test_the_data_say_what_they_are(load, lines):
    dataset = load(data())
    assert (dataset.name, dataset.checksum) == ("cifar10_mini", MINI_CHECKSUM)
    assert dataset.class_names == CLASS_NAMES
    assert lines == []
