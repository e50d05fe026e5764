import csv

import pytest

from mlptrain.config.compose import compose
from mlptrain.runs.folder import RunFolder
from mlptrain.sweeps.summary import summarise, write_summary


def run(words, validation, test=0.5):
    metrics = {"train_accuracy": 0.6, "val_accuracy": validation, "test_accuracy": test}
    return compose(words).config, metrics


SEEDS = [
    run(["optimizer=adam", "seed=1"], 0.40),
    run(["optimizer=adam", "seed=2"], 0.44),
    run(["optimizer=sgd", "seed=1"], 0.45, test=0.1),
]


def test_seeds_of_a_configuration_are_one_row_with_mean_and_sample_sd():
    row = next(row for row in summarise(SEEDS) if row.n == 2)
    figure = row.figures["validation"]
    assert figure.mean == pytest.approx(0.42)
    assert figure.sd == pytest.approx(0.02 * 2**0.5)
    assert figure.percent() == "42.0 ± 2.8"


def test_one_seed_has_no_sd():
    row = next(row for row in summarise(SEEDS) if row.n == 1)
    assert row.figures["validation"].sd is None


def test_rows_are_sorted_by_validation_whatever_test_says():
    assert [row.settings["optimizer"] for row in summarise(SEEDS)] == ["sgd", "adam"]


def test_only_settings_that_vary_are_columns_and_the_seed_is_none_of_them():
    rows = summarise([run(["model.dropout=0.1", "seed=1"], 0.4), run(["seed=2"], 0.5)])
    assert list(rows[0].settings) == ["model.dropout"]


def test_settings_without_effect_on_the_result_do_not_split_a_configuration():
    (row,) = summarise([run(["runtime.threads=1"], 0.4), run(["name=x", "seed=1"], 0.4)])
    assert row.n == 2


def test_a_configuration_without_validation_stands_last():
    none = run(["data.validation_fraction=0", "callbacks=none"], None)
    assert summarise([none, *SEEDS])[-1].figures["validation"] is None


def test_the_files_hold_every_row(tmp_path):
    write_summary(RunFolder(tmp_path), summarise(SEEDS))
    with (tmp_path / "summary.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["optimizer"] for row in rows] == ["sgd", "adam"]
    assert float(rows[1]["validation_mean"]) == pytest.approx(0.42)
    assert rows[0]["validation_sd"] == ""
    lines = (tmp_path / "summary.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + 2
    assert "42.0 ± 2.8" in lines[3]
