"""Which runs are compared, how they are ordered, and what the verdict says of them."""

import math

import numpy as np
import pytest
from crafted import DATA, VERSIONS, write_predictions, write_run
from scipy.stats import binomtest

from mlptrain.reports.comparison import compare, seeds_missing
from mlptrain.reports.stages import stage_rows
from mlptrain.reports.statistics import binomial_sd, selection_bias
from mlptrain.reports.verdict import verdict
from mlptrain.store.runs import find_runs
from mlptrain.uncertainty import paired_difference


@pytest.fixture
def read(tmp_path):
    """(Overrides, accuracies and changes of `run.json`) of each run → the runs read from disk."""

    def build(*runs):
        for number, (overrides, content) in enumerate(runs):
            write_run(tmp_path / f"{number:03d}", *overrides.split(), **content)
        return find_runs([tmp_path]).runs

    return build


@pytest.fixture
def compared(read):
    return lambda *runs, **options: compare(read(*runs), **options)


@pytest.fixture
def group_of(compared):
    """The same for runs that all form one group."""

    def build(*runs, **options):
        (group,) = compared(*runs, **options)
        return group

    return build


def seeds(overrides, *values, test=0.5):
    """One configuration with a seed for each validation accuracy."""
    return [
        (f"{overrides} seed={seed}", {"val": value, "test": test})
        for seed, value in enumerate(values, start=1)
    ]


def optimizers(group):
    return [c.settings["optimizer"] for c in group.configurations]


def is_sgd(settings):
    return settings["optimizer"] == "sgd"


# Which runs are comparable.


def data(**changes):
    return {"data": {**DATA, **changes}}


@pytest.mark.parametrize(
    ("overrides", "changes", "reason"),
    [
        ("", data(checksum="cd" * 32), "data cifar10_mini cdcdcdcd instead of cifar10_mini abab"),
        ("", data(name="cifar10"), "data cifar10 abababab instead of cifar10_mini abababab"),
        ("", data(sizes={"train": 1_600, "validation": 400, "test": 500}),
         "split 1600 / 400 / 500 instead of 1800 / 200 / 500"),
        ("train.epochs=60", {}, "epochs 60 instead of 30"),
        ("", {"versions": {**VERSIONS, "tensorflow": "3.0.0"}}, "tensorflow 3 instead of 2"),
        ("", {"versions": {**VERSIONS, "keras": "4.1.0"}}, "keras 4 instead of 3"),
    ],
)  # fmt: skip
def test_runs_that_cannot_be_compared_form_another_group_with_the_reason(
    compared, overrides, changes, reason
):
    groups = compared(
        (overrides, {"val": 0.9, **changes}), ("seed=1", {}), ("seed=2", {"versions": VERSIONS})
    )
    assert [len(g.configurations[0].runs) for g in groups] == [2, 1]  # the larger one first
    assert groups[0].reason == ""
    assert groups[1].reason.startswith(reason)
    assert ";" not in groups[1].reason


def test_a_group_names_all_its_reasons(compared):
    _, other = compared(
        ("seed=1", {}), ("seed=2", {}), ("train.epochs=1", data(name="cifar10", checksum="cd"))
    )
    assert (
        other.reason == "data cifar10 cd instead of cifar10_mini abababab; epochs 1 instead of 30"
    )


def test_minor_versions_and_machines_do_not_separate_runs(group_of):
    group = group_of(
        ("seed=1", {}),
        ("seed=2", {"versions": {**VERSIONS, "tensorflow": "2.20.1", "numpy": "1.26.0"}}),
        ("seed=3", {"machine": {"cpu": "another"}}),
    )
    assert len(group.configurations) == 1


def test_runs_without_facts_about_their_data_form_another_group(compared):
    groups = compared(("seed=1", {}), ("seed=2", {}), ("", {"data": None, "versions": {}}))
    assert [len(g.configurations[0].runs) for g in groups] == [2, 1]
    assert "unknown" in groups[1].reason


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_only_finished_runs_are_compared(group_of, status):
    assert group_of(("seed=1", {}), ("seed=2", {"status": status})).seeds == [1]


def test_a_run_without_validation_accuracy_is_left_out(compared):
    without = {"figures": {"val_accuracy": None, "test_accuracy": 0.9}}
    assert compared(("", without)) == []
    assert compared() == []


@pytest.mark.parametrize("value", [-1.0, 7.5, 1e308])
def test_an_impossible_accuracy_does_not_stop_the_comparison(compared, value):
    groups = compared(("", {"val": value}), ("optimizer=adam", {"val": 0.5}))
    runs = [run for group in groups for c in group.configurations for run in c.runs]
    assert "adam" in {run.settings["optimizer"] for run in runs}


# Order and averages.


def test_validation_decides_the_order_whatever_test_says(group_of):
    group = group_of(
        ("optimizer=sgd", {"val": 0.40, "test": 0.99}),
        ("optimizer=adam", {"val": 0.60, "test": 0.10}),
        ("optimizer=rmsprop", {"val": 0.50, "test": 0.50}),
    )
    assert optimizers(group) == ["adam", "rmsprop", "sgd"]
    assert group.best.figures["test"].mean == 0.10
    assert group.baseline is group.best


def test_seeds_are_averaged_and_are_not_configurations(group_of):
    group = group_of(*seeds("", 0.50, 0.52, 0.54))
    (configuration,) = group.configurations
    assert configuration.validation == pytest.approx(0.52)
    assert configuration.figures["validation"].n == 3
    assert [run.facts.seed for run in configuration.runs] == group.seeds == [1, 2, 3]
    assert configuration.label == "the only configuration"


def test_settings_without_effect_do_not_make_a_configuration(group_of):
    group = group_of(
        ("seed=1 runtime.threads=1 name=a tags=[x]", {}),
        ("seed=2 runtime.threads=2 logger=none artifacts=minimal output_root=elsewhere", {}),
    )
    assert len(group.configurations) == 1
    assert group.settings == []


def test_of_the_same_experiment_run_twice_the_later_run_counts(group_of):
    group = group_of(("seed=1", {"val": 0.4}), ("seed=1", {"val": 0.6}), ("seed=2", {"val": 0.5}))
    assert group.best.figures["validation"].n == 2
    assert group.best.validation == pytest.approx(0.55)


def test_an_accuracy_is_averaged_over_the_runs_that_have_it(group_of):
    lacking = {"figures": {"val_accuracy": 0.6}}
    group = group_of(("seed=1", {"test": 0.5}), ("seed=2", lacking))
    assert {split: figure.n for split, figure in group.best.figures.items()} == {
        "train": 1, "validation": 2, "test": 1,
    }  # fmt: skip
    assert set(group_of(("seed=1", lacking), ("seed=2", lacking)).best.figures) == {"validation"}


# Against the baseline and against the best.


def test_differences_are_paired_by_seed_and_relative_to_the_baseline(group_of):
    group = group_of(
        *seeds("optimizer=sgd", 0.50, 0.55, 0.61),
        *seeds("optimizer=adam", 0.52, 0.56, 0.64),
        is_baseline=is_sgd,
    )
    assert is_sgd(group.baseline.settings)
    assert group.baseline.versus is None
    versus = group.best.versus
    assert (versus.paired, versus.n) == (True, 3)
    assert versus.mean == pytest.approx(0.02)
    assert versus.p_holm == versus.p  # one comparison needs no correction


def test_p_values_are_corrected_for_all_comparisons_of_the_table(group_of):
    group = group_of(
        *seeds("optimizer=sgd", 0.50, 0.55, 0.61),
        *seeds("optimizer=adam", 0.52, 0.56, 0.64),
        *seeds("optimizer=rmsprop", 0.51, 0.55, 0.60),
        is_baseline=is_sgd,
    )
    corrected = sorted((c.versus.p, c.versus.p_holm) for c in group.configurations if c.versus)
    (p, p_holm), (q, q_holm) = corrected
    assert p_holm == pytest.approx(min(1, 2 * p))
    assert q_holm == pytest.approx(max(p_holm, q))


def test_without_a_match_the_best_is_the_baseline(group_of):
    runs = ("optimizer=sgd", {"val": 0.4}), ("", {"val": 0.5})
    group = group_of(*runs, is_baseline=lambda _: False)
    assert group.baseline is group.best


def test_split_and_seed_are_paired_and_make_no_configuration(group_of):
    splits = [
        (f"optimizer={name} data.split_seed={split} seed={seed}", {"val": value + split / 50})
        for name, value in (("sgd", 0.5), ("adam", 0.52))
        for split in (1, 2)
        for seed in (1, 2)
    ]
    group = group_of(*splits, is_baseline=is_sgd)
    assert [len(c.runs) for c in group.configurations] == [4, 4]
    assert group.settings == ["optimizer"]
    versus = group.best.versus
    assert (versus.n, versus.paired, versus.image_error) == (4, True, "splits")
    validation, test = (group.best.figures[split] for split in ("validation", "test"))
    assert (validation.image_error, test.image_error) == ("splits", "bound")
    # Means of 54 and 56 %: their variance is 2e-4, times 1/2 + 200/1,800; t(0.975, 1) = 12.7.
    group = group_of(*splits[4:])
    assert group.lead.estimate.error == pytest.approx((2e-4 * (1 / 2 + 1 / 9)) ** 0.5)
    assert group.lead.estimate.freedom == 1
    assert "100 % comes from the split and 0 % from the seed" in text_of(group)


# The verdict.

ADAM = seeds("optimizer=adam", 0.601, 0.612, 0.603)
TIED = seeds("optimizer=rmsprop", 0.602, 0.609, 0.603)
WORSE = seeds("optimizer=sgd", 0.301, 0.310, 0.305)
ONE_SEED = ("optimizer=sgd seed=9", {"val": 0.1})


def text_of(group):
    return " ".join(verdict(group))


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


# Seeds and images.

IMAGE_LABELS = np.arange(200, dtype=np.uint8) % 10


def write_judged(folder, overrides, right, is_old=False):
    """Write a run that gets these validation images right."""
    predicted = np.where(right, IMAGE_LABELS, (IMAGE_LABELS + 1) % 10)
    run = write_run(folder, *overrides.split(), val=float(np.mean(right)))
    write_predictions(run, predicted, IMAGE_LABELS, "validation", is_old)
    return run


@pytest.fixture
def judged(tmp_path):
    """Three seeds of two nets that differ on images which depend on the seed only a little."""
    generator = np.random.default_rng(1)
    shared = generator.random(200) < 0.5
    lost = generator.permutation(np.flatnonzero(shared))[:20]
    for seed in (1, 2, 3):
        for name, missing in (("relu", lost[:3]), ("tanh", lost)):
            right = shared.copy()
            right[missing] = False
            right[generator.integers(200, size=2)] ^= True
            write_judged(tmp_path / f"{name}-{seed}", f"activation={name} seed={seed}", right)
    return tmp_path


def test_intervals_hold_for_new_images_as_the_predictions_of_the_runs_say(judged):
    (group,) = compare(find_runs([judged]).runs)
    versus = group.configurations[1].versus
    assert (versus.image_error, versus.n) == ("predictions", 3)
    # About 17 of 200 images make the difference: a standard error of 2 points, whatever the seeds.
    assert versus.high - versus.low > 0.06
    assert versus.seed_share < 0.4
    assert group.best.figures["validation"].image_error == "predictions"
    assert group.best.figures["test"].image_error == "bound"
    assert group.best.figures["train"].image_error == "none"
    text = text_of(group)
    assert "Of the variance of its difference from tanh, " in text
    assert "would shrink to ±" in text
    assert "with a validation set twice as large, and to ±" in text
    assert "binomial" not in text


@pytest.mark.parametrize("change", ["missing", "of other images", "of another run"])
def test_without_matching_predictions_the_binomial_bound_takes_their_place(judged, change):
    file = judged / "tanh-2" / "predictions.npz"
    if change == "missing":
        file.unlink()
    else:
        labels = IMAGE_LABELS if change == "of another run" else IMAGE_LABELS[::-1]
        write_predictions(file.parent, labels.astype(int), labels, "validation", is_old=False)
    (group,) = compare(find_runs([judged]).runs)
    best, other = group.configurations
    assert (best.figures["validation"].image_error, other.versus.image_error) == (
        "predictions", "bound",
    )  # fmt: skip
    assert "the binomial bound, which is too large: predictions are missing" in text_of(group)
    assert other.versus.high - other.versus.low > 0.18  # √(2 · 0.25 / 200) = 5 points


def test_predictions_of_an_earlier_release_say_the_same(judged, tmp_path_factory):
    (group,) = compare(find_runs([judged]).runs)
    for folder in judged.iterdir():
        with np.load(folder / "predictions.npz") as stored:
            probabilities, labels = (stored[f"validation_{p}"] for p in ("probabilities", "labels"))
        write_predictions(folder, probabilities, labels, "validation")
    (old,) = compare(find_runs([judged]).runs)
    assert old.configurations[1].versus == group.configurations[1].versus


def test_the_interval_of_an_accuracy_stays_within_0_and_100_percent(group_of):
    figure = group_of(*seeds("", 0.1, 0.9), *seeds("optimizer=sgd", 0.0, 0.02)).configurations
    for configuration in figure:
        interval = configuration.figures["validation"]
        assert 0 <= interval.low < interval.mean < interval.high <= 1


# What a sweep varies is a setting.


@pytest.mark.parametrize(
    ("varied", "sentence"),
    [
        (("train.epochs=2", "train.epochs=4"), "The budgets are unequal: 2 to 4 epochs."),
        (("data.limit=900", "data.limit=1000"), "trained and judged on different splits"),
    ],
)
def test_what_one_sweep_varies_is_compared_within_it(read, varied, sentence):
    sizes = {"train": 810, "validation": 90, "test": 500}
    first = {"data": {**DATA, "sizes": sizes}} if "limit" in varied[0] else {}
    runs = read(
        *((f"{varied[0]} seed={seed}", {"val": 0.4 + seed / 100, **first}) for seed in (1, 2)),
        *((f"{varied[1]} seed={seed}", {"val": 0.5 + seed / 100}) for seed in (1, 2)),
        ("optimizer=sgd train.epochs=7", {}),
    )
    apart = compare(runs)
    assert len(apart) == 3
    hashes = {run.facts.config_hash for run in runs[:4]}
    together, alone = compare(runs, sweeps=[hashes])
    key = varied[0].partition("=")[0]
    assert [len(c.runs) for c in together.configurations] == [2, 2]
    assert key in together.settings
    assert sentence in text_of(together)
    assert "unequal" not in text_of(alone)
    assert compare(runs, sweeps=[{runs[0].facts.config_hash}])[0].settings == apart[0].settings
    everything = {run.facts.config_hash for run in runs}
    overlapping = compare(runs, sweeps=[hashes, everything])
    assert [len(group.configurations) for group in overlapping] == [3]
    assert "30 or 30" not in overlapping[0].title


# Effects and coverage.

GRID = [
    ("optimizer=adam activation=relu", {"val": 0.60}),
    ("optimizer=adam activation=tanh", {"val": 0.50}),
    ("optimizer=sgd activation=relu", {"val": 0.30}),
]


def test_an_effect_is_averaged_over_all_other_settings(group_of):
    effects = {
        key: [(e.value, e.configurations, round(e.mean, 6)) for e in values]
        for key, values in group_of(*GRID).effects.items()
    }
    assert effects["optimizer"] == [("adam", 2, 0.55), ("sgd", 1, 0.30)]
    # The best value comes first, although it was tried with the worst optimizer too.
    assert effects["activation"] == [("tanh", 1, 0.50), ("relu", 2, 0.45)]


def test_the_seeds_of_one_configuration_count_as_one(group_of):
    group = group_of(*seeds("optimizer=adam", 0.2, 0.2, 0.2, 0.2), *seeds("activation=tanh", 0.6))
    counts = [effect.configurations for values in group.effects.values() for effect in values]
    assert counts == [1, 1, 1, 1]


def test_two_settings_are_crossed_and_untried_combinations_are_empty(group_of):
    (pair,) = group_of(*GRID).pairs
    cells = {
        frozenset((row, column)): cell
        for row, line in zip(pair.row_values, pair.cells, strict=True)
        for column, cell in zip(pair.column_values, line, strict=True)
    }
    assert cells == {
        frozenset(("relu", "adam")): (0.60, 1),
        frozenset(("tanh", "adam")): (0.50, 1),
        frozenset(("relu", "sgd")): (0.30, 1),
        frozenset(("tanh", "sgd")): None,
    }
    assert pair.missing == 1


@pytest.mark.parametrize(
    ("runs", "coverage", "sentence"),
    [
        (GRID, (3, 4), "3 of the 4 combinations of what varies were run."),
        ([*GRID, ("optimizer=sgd activation=tanh", {})], (4, 4), None),
        # Adam has no momentum, so these have no full grid.
        ([("optimizer=adam", {}), ("optimizer=sgd optimizer.momentum=0", {}),
          ("optimizer=sgd optimizer.momentum=0.9", {})], (3, None), None),
    ],
)  # fmt: skip
def test_coverage_counts_the_full_grid_of_the_settings_that_vary(
    group_of, runs, coverage, sentence
):
    group = group_of(*runs)
    assert group.coverage == coverage
    assert ("combinations" in text_of(group)) is (sentence is not None)
    assert (sentence or "") in text_of(group)


def test_one_setting_alone_has_an_effect_and_no_pairs(group_of):
    group = group_of(("optimizer=adam", {}), ("optimizer=sgd", {}))
    assert (list(group.effects), group.pairs) == (["optimizer"], [])


def test_a_setting_with_many_values_gets_no_table(group_of):
    rates = [(f"optimizer.learning_rate=0.{n:03d}", {}) for n in range(1, 14)]
    group = group_of(*rates, ("model.dropout=0.1", {}))
    assert set(group.settings) == {"optimizer.learning_rate", "model.dropout"}
    assert list(group.effects) == ["model.dropout"]
    assert group.pairs == []


def test_configurations_with_missing_seeds_are_named_most_incomplete_first(group_of):
    group = group_of(
        *seeds("optimizer=adam", 0.6, 0.6, 0.6),
        *seeds("optimizer=sgd", 0.5),
        *seeds("optimizer=rmsprop", 0.4, 0.4),
    )
    incomplete = seeds_missing(group)
    assert [(label.split()[0].strip(","), missing) for label, missing in incomplete] == [
        ("sgd", [2, 3]), ("rmsprop", [3]),
    ]  # fmt: skip
    complete = group_of(*seeds("optimizer=adam", 0.6, 0.6, 0.6), *WORSE, *TIED)
    assert seeds_missing(complete) == []


# The stages of a study.


def stage(runs, figures=()):
    cells = [run.facts.config_hash for run in runs]
    return {"title": "a stage", "cells": cells, "figures": list(figures)}


def test_the_rows_of_a_stage_are_in_the_order_of_its_cells(read):
    runs = read(("optimizer=sgd", {"val": 0.3}), ("optimizer=adam", {"val": 0.6}))
    assert [row.label for row in stage_rows(stage(runs), runs)] == ["sgd", "adam"]
    assert [row.label for row in stage_rows(stage(runs[::-1]), runs)] == ["adam", "sgd"]


def test_a_row_holds_all_seeds_of_its_configuration(read):
    runs = read(("seed=2", {"val": 0.3, "test": 0.1}), ("seed=1", {"val": 0.4, "test": 0.2}))
    (row,) = stage_rows(stage(runs), runs)
    assert [run.facts.seed for run in row.runs] == [1, 2]
    assert row.values("validation") == [0.4, 0.3]
    assert row.values("test") == [0.2, 0.1]
    assert row.label == "a stage"


def test_runs_of_other_stages_and_cells_without_a_run_are_left_out(read):
    runs = read(("optimizer=sgd", {}), ("optimizer=adam", {}))
    first = stage(runs[:1])
    first["cells"].append("f" * 64)
    (row,) = stage_rows(first, runs)
    assert row.runs == runs[:1]
    assert stage_rows(stage([]), runs) == []


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([{"where": {"optimizer": "sgd"}, "train": 40, "test": 38.5},
          {"where": {"optimizer": "adam", "model.dropout": 0.9}, "test": 1},
          {"where": {"optimizer": "rmsprop"}, "validation": 50.25}],
         [{"train": 40.0, "test": 38.5}, {}, {"validation": 50.25}]),
        ([{"test": 58}], [{"test": 58.0}] * 3),  # without a condition: every configuration
    ],
)  # fmt: skip
def test_published_figures_are_shown_with_their_configuration(read, figures, expected):
    runs = read(("optimizer=sgd", {}), ("optimizer=adam", {}), ("optimizer=rmsprop", {}))
    assert [row.study for row in stage_rows(stage(runs, figures), runs)] == expected
