"""Intervals that hold for new seeds and new images: hand-made tables, and simulated coverage."""

import numpy as np
import pytest
from interval_coverage import coverage, split_coverage  # of benchmarks/

from mlptrain.uncertainty import (
    accuracy,
    image_variance,
    paired_difference,
    unpaired_difference,
    wilson,
)


def nets(seeds, images, sharing=0.8, level=0.6, key=0):
    """Results of nets that share a part of which images they get right."""
    generator = np.random.default_rng(key)
    shared = generator.random(images) < level
    follows = generator.random((seeds, images)) < sharing
    return np.where(follows, shared, generator.random((seeds, images)) < level)


def test_the_variance_over_images_is_that_of_the_two_way_analysis_of_variance():
    results = nets(4, 60)
    y = results.astype(float)
    rows, columns, grand = y.mean(axis=1), y.mean(axis=0), y.mean()
    rest = ((y - rows[:, None] - columns + grand) ** 2).sum() / (3 * 59)
    of_images = 4 * ((columns - grand) ** 2).sum() / 59
    assert image_variance(results) == pytest.approx((of_images - rest) / 4)
    assert image_variance(np.tile(results[0], (3, 1))) == pytest.approx(y[0].var(ddof=1))
    assert image_variance(np.array([[1, 0], [0, 1]])) == 0  # a negative estimate is none
    assert image_variance(results[:1]) == pytest.approx(y[0].var(ddof=1))


def test_the_error_of_an_accuracy_has_a_part_of_the_seeds_and_one_of_the_images():
    results = nets(3, 400)
    means = results.mean(axis=1)
    estimate = accuracy(means.tolist(), results)
    assert estimate.image_error == "predictions"
    assert estimate.from_seeds == pytest.approx(means.var(ddof=1) / 3)
    assert estimate.from_images == pytest.approx(image_variance(results) / 400)
    assert estimate.error**2 == pytest.approx(estimate.from_seeds + estimate.from_images)
    low, high = estimate.proportion_interval()
    of_seeds_alone = accuracy(means.tolist()).proportion_interval()
    assert low < estimate.mean < high
    assert accuracy(means.tolist()).image_error == "none"
    assert accuracy([0.5, 0.52], images=400).image_error == "bound"
    assert 0 < of_seeds_alone[0] < of_seeds_alone[1] < 1


def test_more_images_or_more_seeds_shrink_what_they_should():
    seeds_vary = accuracy([0.5, 0.6, 0.55], images=100_000)
    assert seeds_vary.with_more(seeds=2).half_width < seeds_vary.with_more(images=2).half_width
    images_vary = accuracy([0.55, 0.551, 0.549], images=200)
    assert images_vary.with_more(images=2).half_width < images_vary.with_more(seeds=2).half_width
    assert images_vary.with_more(images=2).images == 400
    assert images_vary.seed_share < 0.01 < 0.99 < seeds_vary.seed_share


@pytest.mark.parametrize(
    "means", [[0.0, 0.6], [0.01, 0.02, 0.4], [1.0, 1.0], [0.0, 0.0], [0.99, 1]]
)
@pytest.mark.parametrize("images", [None, 50])
def test_the_interval_of_an_accuracy_stays_within_0_and_100_percent(means, images):
    interval = accuracy(means, images=images).proportion_interval()
    assert interval is None or 0 <= interval[0] <= np.mean(means) <= interval[1] <= 1
    assert (interval is None) == (images is None and np.ptp(means) == 0)
    low, high = paired_difference([0.9] * len(means), means, images=images).interval() or (-1, 1)
    assert -1 <= low <= high <= 1


def test_one_seed_says_nothing_about_other_seeds():
    estimate = accuracy([0.6], nets(1, 400), 400)
    assert estimate.error is estimate.p is estimate.half_width is None
    assert estimate.interval() is estimate.proportion_interval() is estimate.seed_share is None
    assert unpaired_difference([0.6], [0.7, 0.8]).p is None
    results = nets(2, 400)
    means = results.mean(axis=1)
    difference = paired_difference(means[:1], means[1:], (results[:1], results[1:]))
    assert difference.p is difference.interval() is None
    error = (results[1].astype(int) - results[0]).std(ddof=1) / 20
    assert difference.image_interval() == pytest.approx(
        (difference.mean - 1.959964 * error, difference.mean + 1.959964 * error)
    )


def test_a_paired_difference_is_free_of_what_seeds_and_images_do_to_both():
    first = nets(3, 1_000, sharing=0.9)
    second = first.copy()
    second[:, :20] = True
    means = [r.mean(axis=1).tolist() for r in (first, second)]
    paired = paired_difference(*means, (first, second))
    assert paired.mean == pytest.approx(np.mean(means[1]) - np.mean(means[0]))
    bound = paired_difference(*means, images=1_000)
    assert paired.error < bound.error / 4
    assert paired.p < 0.05 < bound.p
    assert paired_difference(means[0], means[0], (first, first)).p == 1
    assert paired.interval()[0] < paired.mean < paired.interval()[1]


def test_other_seeds_are_compared_as_two_groups_on_the_same_images():
    results = nets(7, 1_000, sharing=0.9)
    first, second = results[:3], results[3:]
    means = [r.mean(axis=1).tolist() for r in (first, second)]
    known = unpaired_difference(*means, (first, second))
    assert (known.seeds, known.image_error) == (3, "predictions")
    assert known.from_images < unpaired_difference(*means, images=1_000).from_images / 4
    # Without images it is Welch's test; p is that of scipy.stats.ttest_ind.
    welch = unpaired_difference([0.5, 0.52, 0.54], [0.56, 0.57, 0.58])
    assert welch.p == pytest.approx(0.031562, abs=1e-5)


def test_without_images_a_paired_difference_is_the_paired_t_test():
    # A. R. Cushny and A. R. Peebles 1905, as in Student 1908: ten patients, two drugs.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    estimate = paired_difference(first, second)
    assert (estimate.mean, estimate.p) == pytest.approx((1.58, 0.002833), abs=1e-5)


def test_wilsons_interval():
    assert wilson(0.0, 10, 1.959964) == pytest.approx((0, 0.2775), abs=1e-4)


@pytest.mark.parametrize("seeds", [2, 3, 10])
@pytest.mark.parametrize("seed_sd", [0.0, 0.02])
def test_95_percent_intervals_cover_the_truth_95_times_in_100(seeds, seed_sd):
    generator = np.random.default_rng([seeds, int(100 * seed_sd)])
    # The standard error of a share of 400 is 1.1 points; the whole table is in docs/statistics.md.
    for share in coverage(generator, 200, seeds, seed_sd, 400):
        assert 0.92 <= share <= 0.98


def test_intervals_over_splits_cover_only_when_corrected_for_training_sets_that_overlap():
    corrected, without = split_coverage(np.random.default_rng(1), 10, 200)
    assert 0.91 <= corrected <= 0.99
    assert without < 0.91
