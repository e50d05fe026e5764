"""Every statistic against an independent computation from first principles."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binomtest

from mlptrain.reports.statistics import (
    Difference,
    Sample,
    accuracy_interval,
    binomial_sd,
    describe,
    difference,
    holm,
    mcnemar,
    prediction_half_width,
    selection_bias,
)
from mlptrain.uncertainty import accuracy

accuracies = st.floats(0.05, 0.95).map(lambda x: round(x, 4))
p_values = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12)


# One configuration over its seeds.


def test_a_sample_has_an_interval_for_new_seeds_and_new_images():
    estimate = accuracy([0.58, 0.60, 0.62], images=200)
    result = describe([0.58, 0.60, 0.62], estimate)
    assert (result.n, result.mean) == (3, pytest.approx(0.6))
    assert result.sd == pytest.approx(0.02)
    assert (result.low, result.high) == estimate.proportion_interval()
    assert (result.seed_share, result.image_error) == (estimate.seed_share, "bound")


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]])
def test_one_value_has_no_interval_nor_have_equal_values_on_unknown_images(values):
    assert describe(values, accuracy(values)) == Sample(
        len(values), 0.5, 0.0 if len(values) > 1 else None, None, None
    )


# The uncertainty of one run.


def test_the_standard_error_of_an_accuracy_is_that_of_a_binomial_share():
    assert 100 * binomial_sd(0.58, 10_000) == pytest.approx(0.49, abs=0.005)
    drawn = np.random.default_rng(0).binomial(200, 0.58, 20_000) / 200
    assert binomial_sd(0.58, 200) == pytest.approx(drawn.std(), rel=0.02)


@pytest.mark.parametrize("right", [0, 1, 58, 99, 100])
def test_the_interval_of_an_accuracy_is_wilsons_and_has_a_width_at_0_and_100_percent(right):
    interval = tuple(binomtest(right, 100).proportion_ci(0.95, "wilson"))
    assert accuracy_interval(right / 100, 100) == pytest.approx(interval)
    assert binomial_sd(right / 100, 100) > 0.005


def test_the_prediction_interval_is_wider_than_that_of_the_mean():
    values = [0.50, 0.52, 0.57]
    # (√(1 + 1/n)) / (1/√n) = √(n + 1)
    assert prediction_half_width(values) == pytest.approx(2 * accuracy(values).half_width)


def test_95_of_100_further_runs_lie_within_the_prediction_interval():
    drawn = np.random.default_rng(1).normal(0.5, 0.02, (2_000, 4))
    inside = [
        abs(row[3] - np.mean(row[:3])) <= prediction_half_width(row[:3]) for row in drawn.tolist()
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_runs_predict_nothing(values):
    assert prediction_half_width(values) is None


# Two configurations.


def compare(baseline, other):
    return Difference.of(*difference(baseline, other))


def test_seeds_in_common_are_paired():
    result = compare({1: 0.50, 2: 0.55, 3: 0.61}, {3: 0.64, 1: 0.52, 2: 0.56, 9: 0.10})
    # By hand: differences 0.02, 0.01, 0.03, their SD 0.01, t(0.975, 2) = 4.302653.
    half = 4.302653 * 0.01 / math.sqrt(3)
    assert (result.n, result.paired) == (3, True)
    assert (result.mean, result.low, result.high) == pytest.approx((0.02, 0.02 - half, 0.02 + half))
    t = 0.02 / (0.01 / math.sqrt(3))
    # The distribution of t with two degrees of freedom has a closed form.
    assert result.p == pytest.approx(1 - t / math.sqrt(2 + t * t))


def test_pairing_removes_the_effect_of_the_seed():
    baseline = {1: 0.30, 2: 0.50, 3: 0.70}
    other = {1: 0.311, 2: 0.510, 3: 0.709}
    assert compare(baseline, other).p < 0.01
    unpaired = {seed + 10: value for seed, value in other.items()}
    assert compare(baseline, unpaired).p > 0.9


def test_without_seeds_in_common_it_is_welchs_test():
    result = compare({1: 0.50, 2: 0.54, 3: 0.52}, {4: 0.60, 5: 0.61})
    expected = stats.ttest_ind([0.60, 0.61], [0.50, 0.54, 0.52], equal_var=False)
    assert (result.n, result.paired) == (2, False)
    assert result.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    one_in_common = compare({1: 0.50, 2: 0.52}, {2: 0.60, 3: 0.63})
    assert (one_in_common.paired, one_in_common.n) == (False, 2)


@pytest.mark.parametrize(
    ("baseline", "other"),
    [
        ({1: 0.5}, {1: 0.6}),  # one seed
        ({1: 0.5, 2: 0.5}, {3: 0.6}),
        ({1: 0.5}, {2: 0.6, 3: 0.6}),
        ({1: 0.5, 2: 0.5}, {3: 0.6, 4: 0.6}),  # no spread in either
        ({1: 0.50, 2: 0.75}, {1: 0.60, 2: 0.85}),  # the same difference for each seed
        ({1: 0.7, 2: 0.2}, {1: 0.8, 2: 0.3}),  # likewise, but for rounding: 8e-17 of spread
    ],
)
def test_without_spread_or_seeds_only_the_mean_is_returned(baseline, other):
    result = compare(baseline, other)
    assert result.mean == pytest.approx(0.1)
    assert (result.low, result.high, result.p) == (None, None, None)


def test_identical_runs_differ_by_nothing():
    result = compare({1: 0.5, 2: 0.6}, {1: 0.5, 2: 0.6})
    assert (result.n, result.paired, result.mean, result.p) == (2, True, 0.0, 1.0)


@given(
    st.dictionaries(st.integers(1, 5), accuracies, min_size=1),
    st.dictionaries(st.integers(1, 5), accuracies, min_size=1),
)
def test_swapping_the_groups_changes_only_the_sign(baseline, other):
    there, back = compare(baseline, other), compare(other, baseline)
    assert (there.n, there.paired) == (back.n, back.paired)
    assert there.mean == pytest.approx(-back.mean)
    assert there.p == (None if back.p is None else pytest.approx(back.p, abs=1e-12))
    if there.low is not None:
        assert there.low == pytest.approx(-back.high)
        assert there.low <= there.mean <= there.high


# Many comparisons at once.


def test_holms_correction_of_a_worked_example():
    # Four p-values times 4, 3, 2, 1 in their order; 0.03 · 2 = 0.06 holds 0.04 · 1 up.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holms_correction_is_at_most_one_and_skips_what_was_not_tested():
    assert holm([None, 0.6, None, 0.5]) == [None, 1.0, None, 1.0]
    assert holm([None]) == [None]
    assert holm([]) == []


@given(p_values)
def test_holms_correction_never_helps_and_keeps_the_order(raw):
    corrected = holm(raw)
    assert [p is None for p in corrected] == [p is None for p in raw]
    known = sorted((p, c) for p, c in zip(raw, corrected, strict=True) if p is not None)
    assert all(p <= c <= 1 for p, c in known)
    assert [c for _, c in known] == sorted(c for _, c in known)


@given(p_values)
def test_holm_lies_between_no_correction_and_bonferronis(raw):
    count = sum(p is not None for p in raw)
    for p, corrected in zip(raw, holm(raw), strict=True):
        if p is not None:
            assert corrected <= min(1.0, count * p) + 1e-12
    known = [p for p in raw if p is not None]
    if known:
        assert min(c for c in holm(raw) if c is not None) == min(1.0, count * min(known))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_holms_correction_does_not_depend_on_the_order_of_the_table(raw, random):
    places = list(range(len(raw)))
    random.shuffle(places)
    assert holm([raw[i] for i in places]) == [holm(raw)[i] for i in places]


# Two classifiers on the same images.


def binomial_p(fewer, more):
    """Two-sided, the distribution being symmetric: twice the smaller tail, at most 1."""
    n = fewer + more
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(min(fewer, more) + 1)) / 2**n)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 1), (2, 9), (9, 2), (5, 5), (40, 60)])
def test_mcnemars_p_is_a_sum_of_binomial_terms(only_first, only_second):
    first, second = np.ones((2, only_first + only_second + 30), bool)
    second[:only_first] = False
    first[only_first : only_first + only_second] = False
    first[-10:] = second[-10:] = False  # both wrong, the other 20 both right: that says nothing
    result = mcnemar(first, second)
    assert result[:2] == (only_first, only_second)
    assert result[2] == pytest.approx(binomial_p(only_first, only_second))
    assert mcnemar(first, first) == (0, 0, 1.0)


# The best of many.


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi))],
)
def test_selection_bias_of_few_candidates_has_a_closed_form(candidates, expected):
    assert selection_bias(candidates, 1.0) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("candidates", [5, 36, 200])
def test_selection_bias_is_the_gain_of_choosing_among_equals(candidates):
    drawn = np.random.default_rng(candidates).normal(0, 0.02, (20_000, candidates))
    assert selection_bias(candidates, 0.02) == pytest.approx(drawn.max(axis=1).mean(), rel=0.01)


def test_selection_bias_is_proportional_to_the_noise():
    assert selection_bias(10, 0.0) == 0.0
    assert selection_bias(10, 0.02) == pytest.approx(2 * selection_bias(10, 0.01))
