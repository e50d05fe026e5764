import csv
import io
from tempfile import TemporaryDirectory

import pytest
from crafted import metrics, write_run
from rich.console import Console

from mlptrain.store.run_folder import RunFolder
from mlptrain.store.runs import read_run
from mlptrain.sweeps.summary import summarize, summary_table, write_summary


def run(words, validation, test=0.5):
    figures = metrics(validation, test)
    with TemporaryDirectory() as folder:
        return read_run(write_run(folder, *words, figures=figures))


SEEDS = [
    run(["optimizer=adam", "seed=1"], 0.40),
    run(["optimizer=adam", "seed=2"], 0.44),
    run(["optimizer=sgd", "seed=1"], 0.45, test=0.1),
]


def test_seeds_of_a_configuration_are_one_row_with_mean_and_sample_sd():
    row = next(row for row in summarize(SEEDS) if row.n == 2)
    figure = row.figures["validation"]
    assert figure.mean == pytest.approx(0.42)
    assert figure.sd == pytest.approx(0.02 * 2**0.5)
    assert figure.percent() == "42.0 ± 2.8"


def test_one_seed_has_no_sd():
    row = next(row for row in summarize(SEEDS) if row.n == 1)
    assert row.figures["validation"].sd is None


def test_rows_are_sorted_by_validation_not_by_test():
    assert [row.settings["optimizer"] for row in summarize(SEEDS)] == ["sgd", "adam"]


def test_columns_are_the_settings_that_vary_except_the_seed():
    rows = summarize([run(["model.dropout=0.1", "seed=1"], 0.4), run(["seed=2"], 0.5)])
    assert list(rows[0].settings) == ["model.dropout"]


def test_settings_without_effect_on_the_result_do_not_split_a_configuration():
    (row,) = summarize([run(["runtime.threads=1"], 0.4), run(["name=x", "seed=1"], 0.4)])
    assert row.n == 2


def test_a_configuration_without_validation_comes_last():
    none = run(["data.validation_fraction=0", "callbacks=none"], None)
    assert summarize([none, *SEEDS])[-1].figures["validation"] is None


def test_the_files_have_every_row(tmp_path):
    write_summary(RunFolder(tmp_path), summarize(SEEDS))
    with (tmp_path / "summary.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["optimizer"] for row in rows] == ["sgd", "adam"]
    assert float(rows[1]["validation_mean"]) == pytest.approx(0.42)
    assert rows[0]["validation_sd"] == ""
    lines = (tmp_path / "summary.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + 2
    assert "42.0 ± 2.8" in lines[3]


def shown(rows, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(summary_table(rows, width))
    return console.file.getvalue()


def test_settings_that_fit_side_by_side_have_a_column_each():
    rows = summarize(
        [run(["optimizer=adam", "model.dropout=0.1"], 0.5), run(["optimizer=sgd"], 0.4)]
    )
    heading = shown(rows, 100).splitlines()[0].split()
    assert heading[:2] == ["model.dropout", "optimizer"]


def test_if_settings_do_not_fit_rows_show_their_unusual_ones():
    rows = summarize(
        [
            run(["activation=relu"], 0.5),
            run(["activation=gelu"], 0.4),
            run(
                [
                    "activation=tanh",
                    "model.dropout=0.1",
                    "optimizer.rho=0.5",
                    "seed=2",
                    "regularization.l2=0.5",
                    "train.batch_size=32",
                ],
                0.3,
            ),
        ]
    )
    text = shown(rows, 80)
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][0] == "configuration"
    assert lines[1] == ["relu", "1", *lines[1][2:]]
    assert "dropout 0.1" in text
    assert text.rstrip().splitlines()[-1].startswith("usual: dropout 0.3")
    assert max(map(len, text.splitlines())) <= 80
