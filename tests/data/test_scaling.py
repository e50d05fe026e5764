import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from mlptrain.data import scaling
from mlptrain.data.mini import load_mini
from mlptrain.data.scaling import pixel_statistics


@pytest.fixture(scope="module")
def images():
    """Real images of which one pixel never changes."""
    result = load_mini().train_images[:700].copy()
    result[:, 0, 0, 0] = 17
    return result


def raw(images):
    return images.reshape(len(images), -1).astype(np.float64)


def to_minus_one_one(images):
    return raw(images) / 127.5 - 1


def test_mean_and_variance_are_those_of_standard_scaler(images):
    ours, theirs = pixel_statistics(images), StandardScaler().fit(raw(images))
    assert ours.mean.dtype == ours.variance.dtype == np.float64
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-12)
    np.testing.assert_allclose(ours.variance, theirs.scale_**2, rtol=1e-10)


def test_a_pixel_that_never_changes_is_left_unscaled_as_standard_scaler_does(images):
    ours, theirs = pixel_statistics(images), StandardScaler().fit(raw(images))
    assert theirs.var_[0] == 0
    assert (ours.mean[0], ours.variance[0]) == (17.0, theirs.scale_[0])


@pytest.mark.parametrize("scaled_before", [raw, to_minus_one_one])
def test_standardised_values_are_the_studys_whatever_came_before(images, scaled_before):
    ours = pixel_statistics(images)
    theirs = StandardScaler().fit_transform(scaled_before(images))
    np.testing.assert_allclose(
        (raw(images) - ours.mean) / np.sqrt(ours.variance), theirs, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("rows", [1, 3, 699, 700, 10_000])
def test_the_size_of_the_pieces_changes_nothing(images, rows, monkeypatch):
    at_once = pixel_statistics(images)
    monkeypatch.setattr(scaling, "_ROWS", rows)
    pieces = pixel_statistics(images)
    np.testing.assert_array_equal(pieces.mean, at_once.mean)
    np.testing.assert_array_equal(pieces.variance, at_once.variance)


def test_the_largest_values_do_not_overflow():
    images = np.full((60_000, 1, 1, 3), 255, np.uint8)
    images[0] = 254
    result = pixel_statistics(images)
    np.testing.assert_allclose(result.mean, 255 - 1 / 60_000, rtol=1e-15)
    np.testing.assert_allclose(result.variance, 1 / 60_000 - 1 / 60_000**2, rtol=1e-9)
