"""What is compared with what, in which order, and what is claimed of it."""

import pytest
from crafted import DATA, VERSIONS, facts, write_run

from mlptrain.config.settings import flat, format_setting, varying
from mlptrain.reports.comparison import compare, seeds_missing
from mlptrain.reports.stages import stage_rows
from mlptrain.reports.statistics import selection_bias
from mlptrain.reports.verdict import verdict
from mlptrain.store.runs import find_runs


@pytest.fixture
def made(tmp_path):
    """Words and figures of runs → these runs as read from disk, in this order."""

    def build(*runs):
        for number, (words, given) in enumerate(runs):
            write_run(tmp_path / f"{number:03d}", *words.split(), **given)
        return find_runs([tmp_path]).runs

    return build


@pytest.fixture
def compared(made):
    return lambda *runs, **options: compare(made(*runs), **options)


@pytest.fixture
def only(compared):
    """Likewise, of runs that all belong together."""

    def build(*runs, **options):
        (group,) = compared(*runs, **options)
        return group

    return build


def seeds(words, *values, test=0.5):
    """One configuration, a seed for each validation accuracy."""
    return [
        (f"{words} seed={seed}", {"val": value, "test": test})
        for seed, value in enumerate(values, start=1)
    ]


def labels(group):
    return [c.label for c in group.configurations]


# What belongs together.


def data(**changes):
    return {"data": {**DATA, **changes}}


@pytest.mark.parametrize(
    ("words", "changes", "reason"),
    [
        ("", data(checksum="cd" * 32), "data cifar10_mini cdcdcdcd instead of cifar10_mini abab"),
        ("", data(name="cifar10"), "data cifar10 abababab instead of cifar10_mini abababab"),
        (
            "",
            data(sizes={"train": 1_600, "validation": 400, "test": 500}),
            "split 1600 / 400 / 500 instead of 1800 / 200 / 500",
        ),
        ("train.epochs=60", {}, "epochs 60 instead of 30"),
        ("", {"versions": {**VERSIONS, "tensorflow": "3.0.0"}}, "tensorflow 3 instead of 2"),
        ("", {"versions": {**VERSIONS, "keras": "4.1.0"}}, "keras 4 instead of 3"),
    ],
)
def test_what_cannot_be_compared_is_kept_apart_and_told_why(compared, words, changes, reason):
    groups = compared(
        (words, {"val": 0.9, **changes}), ("seed=1", {}), ("seed=2", {"versions": VERSIONS})
    )
    assert [len(g.configurations[0].runs) for g in groups] == [2, 1]  # the larger one first
    assert groups[0].reason == ""
    assert groups[1].reason.startswith(reason)
    assert ";" not in groups[1].reason


def test_several_reasons_are_all_told(compared):
    _, other = compared(
        ("seed=1", {}), ("seed=2", {}), ("train.epochs=1", data(name="cifar10", checksum="cd"))
    )
    assert (
        other.reason == "data cifar10 cd instead of cifar10_mini abababab; epochs 1 instead of 30"
    )


def test_minor_versions_and_machines_do_not_part_runs(only):
    group = only(
        ("seed=1", {}),
        ("seed=2", {"versions": {**VERSIONS, "tensorflow": "2.20.1", "numpy": "1.26.0"}}),
        ("seed=3", {"machine": {"cpu": "another"}}),
    )
    assert len(group.configurations) == 1


def test_runs_that_say_nothing_of_their_data_are_a_group_of_their_own(compared):
    groups = compared(("seed=1", {}), ("seed=2", {}), ("", {"data": None, "versions": {}}))
    assert [len(g.configurations[0].runs) for g in groups] == [2, 1]
    assert "unknown" in groups[1].reason


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_only_finished_runs_are_compared(only, status):
    group = only(("seed=1", {}), ("seed=2", {"status": status}))
    assert group.seeds == [1]


def test_a_run_without_validation_cannot_be_ordered_and_is_left_out(compared):
    without = {"figures": {"val_accuracy": None, "test_accuracy": 0.9}}
    assert compared(("", without)) == []
    assert compared() == []


@pytest.mark.parametrize("value", [-1.0, 7.5, 1e308])
def test_an_accuracy_that_cannot_be_one_stops_no_comparison(compared, value):
    groups = compared(("", {"val": value}), ("optimizer=adam", {"val": 0.5}))
    assert "adam" in {c.runs[0].settings["optimizer"] for g in groups for c in g.configurations}


# Order and averages.


def test_validation_orders_whatever_test_says(only):
    group = only(
        ("optimizer=sgd", {"val": 0.40, "test": 0.99}),
        ("optimizer=adam", {"val": 0.60, "test": 0.10}),
        ("optimizer=rmsprop", {"val": 0.50, "test": 0.50}),
    )
    assert [c.settings["optimizer"] for c in group.configurations] == ["adam", "rmsprop", "sgd"]
    assert group.best.figures["test"].mean == 0.10
    assert group.baseline is group.best


def test_seeds_are_averaged_and_no_configuration_of_their_own(only):
    group = only(*seeds("", 0.50, 0.52, 0.54))
    (own,) = group.configurations
    assert own.validation == pytest.approx(0.52)
    assert own.figures["validation"].n == 3
    assert [run.facts.seed for run in own.runs] == group.seeds == [1, 2, 3]
    assert own.label == "the only configuration"


def test_what_changes_no_result_makes_no_configuration(only):
    group = only(
        ("seed=1 runtime.threads=1 name=a tags=[x]", {}),
        ("seed=2 runtime.threads=2 logger=none artifacts=minimal output_root=elsewhere", {}),
    )
    assert len(group.configurations) == 1
    assert group.settings == []


def test_the_same_experiment_twice_counts_once_the_later_one(only):
    group = only(("seed=1", {"val": 0.4}), ("seed=1", {"val": 0.6}), ("seed=2", {"val": 0.5}))
    (own,) = group.configurations
    assert own.figures["validation"].n == 2
    assert own.validation == pytest.approx(0.55)


def test_a_figure_that_some_runs_lack_is_averaged_over_the_others(only):
    lacking = {"figures": {"val_accuracy": 0.6}}
    group = only(("seed=1", {"test": 0.5}), ("seed=2", lacking))
    assert group.best.figures["validation"].n == 2
    assert group.best.figures["test"].n == 1


def test_figures_that_no_run_has_are_not_there(only):
    group = only(("", {"figures": {"val_accuracy": 0.6}}))
    assert set(group.best.figures) == {"validation"}


# Against the baseline and against the best.


def test_differences_are_to_the_baseline_and_paired_by_seed(only):
    group = only(
        *seeds("optimizer=sgd", 0.50, 0.55, 0.61),
        *seeds("optimizer=adam", 0.52, 0.56, 0.64),
        is_baseline=lambda settings: settings["optimizer"] == "sgd",
    )
    assert group.baseline.settings["optimizer"] == "sgd"
    assert group.baseline.versus is None
    told = group.best.versus
    assert (told.paired, told.n) == (True, 3)
    assert told.mean == pytest.approx(0.02)
    assert told.p_holm == told.p  # one comparison needs no correction


def test_p_values_are_corrected_for_all_comparisons_of_the_table(only):
    group = only(
        *seeds("optimizer=sgd", 0.50, 0.55, 0.61),
        *seeds("optimizer=adam", 0.52, 0.56, 0.64),
        *seeds("optimizer=rmsprop", 0.51, 0.55, 0.60),
        is_baseline=lambda settings: settings["optimizer"] == "sgd",
    )
    corrected = sorted((c.versus.p, c.versus.p_holm) for c in group.configurations if c.versus)
    (p, p_holm), (q, q_holm) = corrected
    assert p_holm == pytest.approx(min(1, 2 * p))
    assert q_holm == pytest.approx(max(p_holm, q))


def test_a_baseline_that_nobody_is_leaves_the_best(only):
    group = only(("optimizer=sgd", {"val": 0.4}), ("", {"val": 0.5}), is_baseline=lambda _: False)
    assert group.baseline is group.best


def test_what_is_not_distinguishable_from_the_best_is_tied(only):
    group = only(
        *seeds("optimizer=adam", 0.601, 0.612, 0.603),
        *seeds("optimizer=rmsprop", 0.602, 0.609, 0.603),
        *seeds("optimizer=sgd", 0.301, 0.310, 0.305),
    )
    assert [c.tied for c in group.configurations] == [None, True, False]


def test_too_few_seeds_are_neither_tied_nor_distinguishable(only):
    group = only(*seeds("optimizer=adam", 0.6, 0.61), ("optimizer=sgd seed=9", {"val": 0.1}))
    assert [c.tied for c in group.configurations] == [None, None]


# What is said.


def said(group):
    return " ".join(verdict(group))


def test_one_seed_makes_no_ranking_claim(only):
    text = said(only(("optimizer=adam", {"val": 0.58}), ("optimizer=sgd", {"val": 0.50})))
    assert "One seed each: no ranking is claimed." in text
    # √2 · √(0.58 · 0.42 / 200) = 4.94 points for one standard error, 9.9 for two.
    assert "below about 9.9 points" in text
    assert "significantly" not in text
    assert "tied" not in text


def test_the_best_is_named_with_its_interval_and_its_test_figure(only):
    text = verdict(only(*seeds("optimizer=adam", 0.58, 0.60, 0.62, test=0.57),
                        *seeds("optimizer=sgd", 0.40, 0.43, 0.44)))[0]  # fmt: skip
    # 60 ± 4.302653 · 2 / √3
    assert text.startswith("adam")
    assert "60.0 % (95 % interval 55.0 to 65.0, n = 3), on test 57.0 %." in text


def test_a_clear_winner_is_called_one(only):
    text = said(only(*seeds("optimizer=adam", 0.6, 0.61, 0.62),
                     *seeds("optimizer=sgd", 0.301, 0.31, 0.319)))  # fmt: skip
    assert "significantly better than every other configuration (5 % level, Holm-corrected)" in text


def test_a_tie_of_all_is_called_one(only):
    text = said(only(*seeds("optimizer=adam", 0.601, 0.612, 0.603),
                     *seeds("optimizer=rmsprop", 0.602, 0.609, 0.603)))  # fmt: skip
    assert "Every other configuration is tied with it: these seeds do not distinguish them." in text


def test_a_tie_of_some_names_them(only):
    text = said(
        only(
            *seeds("optimizer=adam", 0.601, 0.612, 0.603),
            *seeds("optimizer=rmsprop", 0.602, 0.609, 0.603),
            *seeds("optimizer=sgd", 0.301, 0.310, 0.305),
        )
    )
    assert "1 of the 2 others is tied with it: rmsprop" in text
    assert "every other configuration" not in text


def test_with_untested_others_nobody_is_better_than_every_other(only):
    text = said(
        only(
            *seeds("optimizer=adam", 0.60, 0.61, 0.62),
            *seeds("optimizer=rmsprop", 0.30, 0.31, 0.33),
            ("optimizer=sgd seed=9", {"val": 0.1}),
        )
    )
    assert "1 of the others could not be tested against it: too few seeds" in text
    assert "every other configuration" not in text


def test_a_best_of_one_seed_claims_no_ranking_and_blames_nobody_else(only):
    group = only(
        ("optimizer=sgd seed=9", {"val": 0.9}),
        *seeds("optimizer=adam", 0.60, 0.61, 0.62),
        *seeds("optimizer=rmsprop", 0.30, 0.31, 0.33),
    )
    text = said(group)
    assert "It has one seed: no ranking is claimed." in text
    assert "could not be tested" not in text
    # The variances of three seeds, of the mean of the one that was chosen.
    assert group.noise == pytest.approx(((1e-4 + 7e-4 / 3) / 2) ** 0.5)


def test_the_same_difference_with_every_seed_cannot_be_tested(only):
    text = said(only(*seeds("optimizer=adam", 0.5, 0.6), *seeds("optimizer=sgd", 0.4, 0.5)))
    assert "or the same difference with every seed" in text


def test_a_single_configuration_is_compared_with_nothing(only):
    (text,) = verdict(only(*seeds("", 0.5, 0.52)))
    assert text.startswith("The only configuration: 51.0 %")


def test_the_winners_figure_is_said_to_be_too_optimistic(only):
    group = only(
        *seeds("optimizer=adam", 0.60, 0.62),
        *seeds("optimizer=sgd", 0.30, 0.34),
        *seeds("optimizer=rmsprop", 0.40, 0.40),
    )
    # Variances 2e-4, 8e-4 and 0 with one degree of freedom each; a mean of two seeds.
    assert group.noise == pytest.approx((10e-4 / 3) ** 0.5 / 2**0.5)
    assert group.selection_bias == pytest.approx(selection_bias(3, group.noise))
    assert "best of 3" in said(group)
    assert "up to about 1.1 points" in said(group)


def test_with_one_seed_the_noise_is_that_of_so_many_images(only):
    group = only(("optimizer=adam", {"val": 0.6}), ("optimizer=sgd", {"val": 0.2}))
    assert group.noise == pytest.approx((0.6 * 0.4 / 200) ** 0.5)


@pytest.mark.parametrize("unknown", [None, {}, {"sizes": 3}, {"sizes": {"validation": "many"}}])
def test_without_the_number_of_images_no_noise_is_made_up(only, unknown):
    group = only(("optimizer=adam", {"data": unknown}), ("optimizer=sgd", {"data": unknown}))
    assert (group.noise, group.selection_bias) == (0.0, 0.0)
    assert "optimistic" not in said(group)
    assert "0.0 points" not in said(group)


# Effects and coverage.

GRID = [
    ("optimizer=adam activation=relu", {"val": 0.60}),
    ("optimizer=adam activation=tanh", {"val": 0.50}),
    ("optimizer=sgd activation=relu", {"val": 0.30}),
]


def test_an_effect_is_the_mean_over_all_else_with_how_many_it_is_of(only):
    effects = only(*GRID).effects
    assert [(e.value, e.configurations, e.mean) for e in effects["optimizer"]] == [
        ("adam", 2, pytest.approx(0.55)),
        ("sgd", 1, pytest.approx(0.30)),
    ]
    # The best value first, though it was tried with the worst optimizer too.
    assert [(e.value, e.configurations, e.mean) for e in effects["activation"]] == [
        ("tanh", 1, pytest.approx(0.50)),
        ("relu", 2, pytest.approx(0.45)),
    ]


def test_seeds_of_one_configuration_weigh_as_one(only):
    group = only(*seeds("optimizer=adam", 0.2, 0.2, 0.2, 0.2), *seeds("activation=tanh", 0.6))
    for effects in group.effects.values():
        assert all(effect.configurations == 1 for effect in effects)


def test_two_factors_are_crossed_and_what_was_not_tried_is_empty(only):
    (pair,) = only(*GRID).pairs
    cells = {
        (row, column): cell
        for row, line in zip(pair.row_values, pair.cells, strict=True)
        for column, cell in zip(pair.column_values, line, strict=True)
    }
    if pair.rows == "optimizer":
        cells = {(column, row): cell for (row, column), cell in cells.items()}
    assert cells == {
        ("relu", "adam"): (0.60, 1),
        ("tanh", "adam"): (0.50, 1),
        ("relu", "sgd"): (0.30, 1),
        ("tanh", "sgd"): None,
    }
    assert pair.missing == 1


def test_coverage_counts_the_full_grid_of_what_varies(only):
    group = only(*GRID)
    assert group.coverage == (3, 4)
    assert "3 of the 4 combinations of what varies were run." in said(group)


def test_a_setting_that_some_choices_lack_has_no_full_grid(only):
    group = only(
        ("optimizer=adam", {"val": 0.5}),
        ("optimizer=sgd optimizer.momentum=0", {"val": 0.4}),
        ("optimizer=sgd optimizer.momentum=0.9", {"val": 0.3}),
    )
    assert "optimizer.momentum" in group.settings
    assert group.coverage == (3, None)
    assert "combinations" not in said(group)


def test_a_full_grid_lacks_nothing(only):
    group = only(*GRID, ("optimizer=sgd activation=tanh", {"val": 0.2}))
    assert group.coverage == (4, 4)
    assert "combinations" not in said(group)


def test_one_factor_alone_has_an_effect_and_no_pairs(only):
    group = only(("optimizer=adam", {}), ("optimizer=sgd", {}))
    assert (list(group.effects), group.pairs) == (["optimizer"], [])


def test_a_setting_of_very_many_values_gets_no_table(only):
    rates = [(f"optimizer.learning_rate=0.{n:03d}", {}) for n in range(1, 14)]
    group = only(*rates, ("model.dropout=0.1", {}))
    assert set(group.settings) == {"optimizer.learning_rate", "model.dropout"}
    assert list(group.effects) == ["model.dropout"]
    assert group.pairs == []


def test_configurations_that_lack_seeds_are_named_most_incomplete_first(only):
    group = only(
        *seeds("optimizer=adam", 0.6, 0.6, 0.6),
        *seeds("optimizer=sgd", 0.5),
        *seeds("optimizer=rmsprop", 0.4, 0.4),
    )
    first, second = seeds_missing(group)
    assert first[0].startswith("sgd")
    assert second[0].startswith("rmsprop")
    assert (first[1], second[1]) == ([2, 3], [3])


def test_with_all_seeds_everywhere_none_is_missing(only):
    group = only(*seeds("optimizer=adam", 0.6, 0.6), *seeds("optimizer=sgd", 0.5, 0.4))
    assert seeds_missing(group) == []


# Which settings are told, and how.


def table(*words):
    return [flat(facts(*line.split())["config"]) for line in words]


def test_a_config_is_told_with_dotted_keys_and_a_groups_name_under_the_groups():
    nested = {"optimizer": {"name": "adam", "beta_1": 0.9}, "name": "x", "model": {"hidden": [4]}}
    assert flat(nested) == {
        "optimizer": "adam",
        "optimizer.beta_1": 0.9,
        "name": "x",
        "model.hidden": [4],
    }


def test_only_what_differs_varies():
    assert varying(table("", "model.dropout=0.1", "model.dropout=0.2")) == ["model.dropout"]
    assert varying(table("", "")) == varying([]) == []


@pytest.mark.parametrize(
    "words",
    [
        "seed=7",
        "name=x",
        "tags=[x]",
        "output_root=x",
        "artifacts=minimal",
        "logger=none",
        "runtime.threads=1",
        "runtime.progress=none",
    ],
)
def test_what_cannot_change_a_result_does_not_vary(words):
    assert varying(table("", words)) == []


def test_where_the_images_came_from_does_not_vary():
    (settings,) = table("")
    assert varying([settings, {**settings, "data.path": "elsewhere"}]) == []
    assert varying([settings, {**settings, "logger.uri": "sqlite:///x.db"}]) == []


def test_what_follows_from_a_choice_is_not_told_beside_it():
    # Adam and SGD have other parameters and other rates; the name says it all.
    assert varying(table("optimizer=adam", "optimizer=sgd")) == ["optimizer"]
    assert varying(table("callbacks=default", "callbacks=none")) == [
        "callbacks.early_stopping.enabled"
    ]


def test_a_parameter_that_varies_within_a_choice_is_told():
    rates = table("optimizer=adam", "optimizer=sgd", "optimizer=sgd optimizer.learning_rate=0.5")
    assert varying(rates) == ["optimizer", "optimizer.learning_rate"]


def test_settings_of_two_groups_that_vary_together_are_both_told():
    joint = table("optimizer=adam model.dropout=0.1", "optimizer=sgd model.dropout=0.2")
    assert set(varying(joint)) == {"optimizer", "model.dropout"}


def test_true_and_one_are_two_values():
    assert varying([{"a": True}, {"a": 1}]) == ["a"]
    assert varying([{"a": None}, {}]) == []


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("optimizer", "adam", "adam"),
        ("model.dropout", 0.3, "dropout 0.3"),
        ("model.hidden", [512, 256], "hidden [512, 256]"),
        ("callbacks.early_stopping.enabled", True, "early_stopping True"),
        ("callbacks.early_stopping.patience", 5, "early_stopping patience 5"),
        ("callbacks.reduce_lr.patience", 5, "reduce_lr patience 5"),
        ("optimizer.momentum", None, "momentum None"),
    ],
)
def test_a_setting_is_told_in_a_few_words(key, value, text):
    assert format_setting(key, value) == text


# The stages of a study.


def stage(runs, figures=(), title="a stage"):
    cells = [run.facts.config_hash for run in runs]
    return {"title": title, "cells": cells, "figures": list(figures)}


def test_a_stages_rows_stand_in_the_order_of_its_cells(made):
    runs = made(("optimizer=sgd", {"val": 0.3}), ("optimizer=adam", {"val": 0.6}))
    assert [row.label for row in stage_rows(stage(runs), runs)] == ["sgd", "adam"]
    assert [row.label for row in stage_rows(stage(runs[::-1]), runs)] == ["adam", "sgd"]


def test_a_row_holds_all_seeds_of_its_configuration(made):
    runs = made(("seed=2", {"val": 0.3, "test": 0.1}), ("seed=1", {"val": 0.4, "test": 0.2}))
    (row,) = stage_rows(stage(runs), runs)
    assert [run.facts.seed for run in row.runs] == [1, 2]
    assert row.values("validation") == [0.4, 0.3]
    assert row.values("test") == [0.2, 0.1]
    assert row.label == "a stage"


def test_runs_of_other_stages_and_cells_without_a_run_are_left_out(made):
    runs = made(("optimizer=sgd", {}), ("optimizer=adam", {}))
    own = stage(runs[:1])
    own["cells"].append("f" * 64)
    (row,) = stage_rows(own, runs)
    assert row.runs == runs[:1]
    assert stage_rows(stage([]), runs) == []


def test_the_studys_figures_stand_at_the_configuration_they_are_of(made):
    runs = made(("optimizer=sgd", {}), ("optimizer=adam", {}), ("optimizer=rmsprop", {}))
    figures = [
        {"where": {"optimizer": "sgd"}, "train": 40, "test": 38.5},
        {"where": {"optimizer": "adam", "model.dropout": 0.9}, "test": 1},
        {"where": {"optimizer": "rmsprop"}, "validation": 50.25},
    ]
    rows = stage_rows(stage(runs, figures), runs)
    assert [row.study for row in rows] == [
        {"train": 40.0, "test": 38.5},
        {},
        {"validation": 50.25},
    ]


def test_figures_without_a_condition_are_of_every_configuration(made):
    runs = made(("optimizer=sgd", {}), ("optimizer=adam", {}))
    rows = stage_rows(stage(runs, [{"test": 58}]), runs)
    assert [row.study for row in rows] == [{"test": 58.0}] * 2
