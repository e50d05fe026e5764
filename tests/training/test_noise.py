import numpy as np
import pytest

from mlptrain.augmentations import noise as noise_module
from mlptrain.augmentations.noise import STEPS_PER_SD


def noise_table(seed, images, features, threads=1):
    return noise_module.noise_table(seed, (images, features), threads)


@pytest.fixture(scope="module")
def noise():
    """2,300 images: two whole blocks and a part of one; in units of the SD."""
    return noise_table(42, 2_300, 512).astype(np.float64) / STEPS_PER_SD


def test_the_noise_is_standard_normal(noise):
    error = 1 / np.sqrt(noise.size)
    assert abs(noise.mean()) < 5 * error
    assert abs(noise.std() - 1) < 5 * error
    for bound, share in ((1.0, 0.6827), (2.0, 0.9545), (3.0, 0.9973)):
        # The table's steps are wide: count to the middle between two of them.
        assert (np.abs(noise) < bound + 0.5 / STEPS_PER_SD).mean() == pytest.approx(share, abs=0.02)


def test_rounding_adds_less_than_a_ten_thousandth_to_the_sd():
    assert np.sqrt(1 + 1 / (12 * STEPS_PER_SD**2)) - 1 < 1e-4


def test_images_and_pixels_are_independent(noise):
    between_images = np.corrcoef(noise[:50])[np.triu_indices(50, 1)]
    between_pixels = np.corrcoef(noise[:, :50].T)[np.triu_indices(50, 1)]
    assert np.abs(between_images).max() < 5 / np.sqrt(512)
    assert np.abs(between_pixels).max() < 5 / np.sqrt(2_300)


def test_the_table_is_small():
    table = noise_table(0, 10, 3072)
    assert (table.dtype, table.shape) == (np.int8, (10, 3072))


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(threads):
    np.testing.assert_array_equal(noise_table(7, 3_500, 16, threads), noise_table(7, 3_500, 16))


def test_an_image_keeps_its_noise_when_others_are_added_after_it():
    few, many = noise_table(7, 1_000, 16), noise_table(7, 3_500, 16)
    np.testing.assert_array_equal(few, many[:1_000])


def test_another_seed_draws_other_noise():
    same = (noise_table(1, 1_000, 64) == noise_table(2, 1_000, 64)).mean()
    # Two independent draws agree on a step in 1 / (2 sqrt(pi) 21) of all cases.
    assert same == pytest.approx(0.0134, abs=0.005)


def test_no_two_blocks_of_images_share_their_noise():
    table = noise_table(3, 4_000, 64)
    assert len(np.unique(table, axis=0)) == 4_000
