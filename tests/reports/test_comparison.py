"""Which runs are compared, and how configurations are ordered and tested."""

import pytest
from crafted import DATA, VERSIONS, seeds

from mlptrain.reports.comparison import compare, seeds_missing
from mlptrain.reports.verdict import verdict


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


# What a sweep varies is a setting.


def text_of(group):
    return " ".join(verdict(group))


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


# Missing seeds.


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
    complete = group_of(
        *seeds("optimizer=adam", 0.6, 0.6, 0.6),
        *seeds("optimizer=sgd", 0.301, 0.310, 0.305),
        *seeds("optimizer=rmsprop", 0.602, 0.609, 0.603),
    )
    assert seeds_missing(complete) == []
