"""What the verdict says of a group of runs."""

import math

import pytest
from crafted import seeds
from scipy.stats import binomtest

from mlptrain.reports.statistics import binomial_sd, selection_bias
from mlptrain.reports.verdict import verdict
from mlptrain.uncertainty import paired_difference


def text_of(group):
    return " ".join(verdict(group))


ADAM = seeds("optimizer=adam", 0.601, 0.612, 0.603)
TIED = seeds("optimizer=rmsprop", 0.602, 0.609, 0.603)
WORSE = seeds("optimizer=sgd", 0.301, 0.310, 0.305)
ONE_SEED = ("optimizer=sgd seed=9", {"val": 0.1})


@pytest.mark.parametrize(
    ("runs", "tied", "phrase", "absent"),
    [
        ([*ADAM, *WORSE], [None, False],
         "significantly better than every other configuration (5 % level, Holm-corrected)", "tied"),
        ([*ADAM, *TIED], [None, True],
         "is tied with it: these seeds and images do not distinguish them.", "significantly"),
        ([*ADAM, *TIED, *WORSE], [None, True, False],
         "1 of the 2 others is tied with it: rmsprop", "every other configuration"),
        ([*ADAM, *seeds("optimizer=rmsprop", 0.30, 0.31, 0.33), ONE_SEED], [None, False, None],
         "1 of the others could not be tested against it: too few seeds",
         "every other configuration"),
        # The same difference with every seed, yet other images might show another.
        ([*seeds("optimizer=adam", 0.51, 0.6), *seeds("optimizer=sgd", 0.5, 0.59)], [None, True],
         "Every other configuration is tied with it", "significantly"),
        ([*seeds("optimizer=adam", 0.6, 0.61), ONE_SEED], [None, None],
         "1 of the others could not be tested", "significantly"),
    ],
)  # fmt: skip
def test_the_verdict_says_what_the_seeds_can_distinguish(group_of, runs, tied, phrase, absent):
    group = group_of(*runs)
    assert [c.tied for c in group.configurations] == tied
    assert phrase in text_of(group)
    assert absent not in text_of(group)


def test_one_seed_each_claims_no_ranking(group_of):
    group = group_of(("optimizer=adam", {"val": 0.58}), ("optimizer=sgd", {"val": 0.50}))
    text = text_of(group)
    assert "One seed each: no ranking is claimed." in text
    low, high = binomtest(116, 200).proportion_ci(0.95, "wilson")
    # √2 · 3.46 = 4.89 points for one standard error, 9.8 for two.
    assert "below about 9.8 points" in text
    assert "significantly" not in text
    assert "tied" not in text
    assert group.noise == pytest.approx((high - low) / 2 / 1.96, rel=1e-4)


def test_the_best_is_named_with_its_interval_and_its_test_accuracy(group_of):
    runs = [*seeds("optimizer=adam", 0.58, 0.60, 0.62, test=0.57), *WORSE]
    first, *_ = verdict(group_of(*runs))
    # Standard errors: 2 / √3 = 1.2 points over seeds, √(0.6 · 0.4 / 200) = 3.5 over images.
    assert first.startswith("adam")
    assert "60.0 % (95 % interval 52.5 to 67.1, n = 3), on test 57.0 %." in first


def test_a_best_of_one_seed_claims_no_ranking(group_of):
    group = group_of(
        ("optimizer=sgd seed=9", {"val": 0.9}),
        *seeds("optimizer=adam", 0.60, 0.61, 0.62),
        *seeds("optimizer=rmsprop", 0.30, 0.31, 0.33),
    )
    text = text_of(group)
    assert "It has one seed: no ranking is claimed." in text
    assert "could not be tested" not in text
    assert group.noise == pytest.approx(binomial_sd(0.9, 200))  # no difference could be estimated


def test_a_single_configuration_is_not_compared(group_of):
    text, sources = verdict(group_of(*seeds("", 0.5, 0.52)))
    assert text.startswith("The only configuration: 51.0 %")
    assert sources.startswith("Of the variance of this accuracy, 7 % comes from the seeds")


EARLY = "stopped early after 14 of 25 epochs: val_loss had not improved for 5"


def test_the_verdict_says_that_training_stopped_early(group_of):
    figures = {"val_accuracy": 0.5, "best_epoch": 9, "epochs_run": 14}
    _, sentence = verdict(group_of(("", {"figures": figures, "reason": EARLY})))
    assert sentence == f"Its run {EARLY}; its metrics are from epoch 9."


def test_the_verdict_counts_the_seeds_that_stopped_early(group_of):
    early = {"figures": {"val_accuracy": 0.5, "epochs_run": 14}, "reason": EARLY}
    *_, sentence = verdict(group_of(("seed=1", early), ("seed=2", {}), ("seed=3", early)))
    assert sentence == "2 of its 3 runs stopped early, after 14 epochs."


def test_the_verdict_names_the_selection_bias_of_the_best(group_of):
    group = group_of(
        *seeds("optimizer=adam", 0.60, 0.62),
        *seeds("optimizer=sgd", 0.30, 0.34),
        *seeds("optimizer=rmsprop", 0.40, 0.40),
    )
    errors = [
        paired_difference([0.60, 0.62], other, images=200).error
        for other in ([0.30, 0.34], [0.40, 0.40])
    ]
    # A difference of two equally noisy means has twice the variance of one.
    assert group.noise == pytest.approx(math.hypot(*errors) / 2)
    assert group.selection_bias == pytest.approx(selection_bias(3, group.noise))
    assert "best of 3" in text_of(group)
    assert "up to about 3.0 points" in text_of(group)


@pytest.mark.parametrize("unknown", [None, {}, {"sizes": 3}, {"sizes": {"validation": "many"}}])
def test_without_the_number_of_images_no_noise_is_invented(group_of, unknown):
    group = group_of(("optimizer=adam", {"data": unknown}), ("optimizer=sgd", {"data": unknown}))
    assert (group.noise, group.selection_bias) == (0.0, 0.0)
    assert "optimistic" not in text_of(group)
    assert "0.0 points" not in text_of(group)
