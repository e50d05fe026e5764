"""Effects of single settings, pairs of settings, and what of the grid was run."""

import pytest
from crafted import seeds

from mlptrain.reports.verdict import verdict

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
    text = " ".join(verdict(group))
    assert ("combinations" in text) is (sentence is not None)
    assert (sentence or "") in text


def test_one_setting_alone_has_an_effect_and_no_pairs(group_of):
    group = group_of(("optimizer=adam", {}), ("optimizer=sgd", {}))
    assert (list(group.effects), group.pairs) == (["optimizer"], [])


def test_a_setting_with_many_values_gets_no_table(group_of):
    rates = [(f"optimizer.learning_rate=0.{n:03d}", {}) for n in range(1, 14)]
    group = group_of(*rates, ("model.dropout=0.1", {}))
    assert set(group.settings) == {"optimizer.learning_rate", "model.dropout"}
    assert list(group.effects) == ["model.dropout"]
    assert group.pairs == []
