"""The rows of a study's stage."""

import pytest

from mlptrain.reports.stages import stage_rows, with_predecessor


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


def test_a_single_configuration_stands_beside_the_one_that_it_changes(read):
    runs = read(
        ("optimizer=adam", {}), ("optimizer=sgd", {}), ("optimizer=sgd model.dropout=0.5", {})
    )
    before, rows = stage_rows(stage(runs[:2]), runs), stage_rows(stage(runs[2:]), runs)
    pair = with_predecessor(rows, before)
    assert [row.label for row in pair] == ["dropout 0.3", "dropout 0.5"]
    assert pair[0].runs == [runs[1]]
    assert with_predecessor(before, rows) == before
    assert with_predecessor(rows, []) == rows
