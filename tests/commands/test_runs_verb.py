"""`mlptrain runs` and `load_runs`: which runs, which columns, in which order and form."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from crafted import TINY, write_run, write_sweep

from mlptrain import load_runs
from mlptrain.errors import RunFolderError


@pytest.fixture
def outputs(elsewhere):
    """Three finished runs, one that failed and one that goes on, as a real output root has them."""
    root = elsewhere / "outputs"
    write_run(root / "a", "optimizer=adam", "model.dropout=0.1", val=0.51, test=0.45)
    write_run(root / "b", "optimizer=sgd", "model.dropout=0.2", val=0.53, test=0.44)
    write_run(root / "sweep" / "c", "optimizer=rmsprop", "model.dropout=0.3", val=0.52, test=0.46)
    write_run(root / "d", "optimizer=adam", status="failed", reason="Training failed: NaN")
    write_run(root / "e", "optimizer=adam", status="running", finished=None)
    (root / "latest").symlink_to("b", target_is_directory=True)
    return root


@pytest.fixture
def rows(outputs, mlptrain):
    """The words of the verb → what it prints as JSON."""

    def call(*words):
        outcome = mlptrain("runs", "--format", "json", *words)
        assert outcome.exit_code == 0, outcome.stderr
        return json.loads(outcome.stdout)

    return call


@pytest.fixture
def names(rows):
    return lambda *words: [row["run"] for row in rows("--columns", "run", *words)]


# Which runs.


def test_runs_and_sweeps_below_outputs_are_listed_and_latest_is_not_counted_twice(names):
    assert sorted(names()) == ["a", "b", "c", "d", "e"]


def test_a_path_may_be_a_run_a_sweep_an_output_root_or_latest(names):
    assert names("outputs/a") == ["a"]
    assert names("outputs/sweep") == ["c"]
    assert names("outputs/latest") == ["b"]
    assert sorted(names("outputs/b", "outputs/latest", "outputs/sweep")) == ["b", "c"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["optimizer=sgd"], "b"),
        (["optimizer=sgd,rmsprop"], "bc"),
        (["optimizer!=adam"], "bc"),
        (["optimizer!=sgd,rmsprop"], "ade"),
        (["model.dropout=0.20"], "b"),
        (["model.dropout>0.1", "status=finished"], "bc"),
        (["model.dropout>=0.1", "status=finished"], "abc"),
        (["val_accuracy<0.53"], "ac"),
        (["val_accuracy<=0.53"], "abc"),
        (["val_accuracy > 0.515", "test_accuracy > 0.445"], "c"),
        (["status=failed"], "d"),
        (["reason=Training failed: NaN"], "d"),
        (["model.batch_norm=true", "optimizer=sgd"], "b"),
        (["model.batch_norm=false"], ""),
        (["regularization.max_norm=null", "optimizer=sgd"], "b"),
        (["seed=42", "optimizer=sgd"], "b"),
        (["optimizer.momentum>0"], "b"),
        (["optimizer>5"], ""),
        (["init=he_normal", "optimizer=sgd"], "b"),
        (["model.hidden=[512,256,128,64]", "optimizer=sgd"], "b"),
        (["model.hidden=[512, 256],[512,256,128,64]", "optimizer=sgd,rmsprop"], "bc"),
        (["artifacts=full", "optimizer=sgd"], "b"),
    ],
)
def test_conditions_choose_the_runs_that_meet_all_of_them(names, conditions, expected):
    words = [word for condition in conditions for word in ("--where", condition)]
    assert sorted(names(*words)) == list(expected)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--where", "optimzer=sgd"], "did you mean optimizer?"),
        (["--where", "dropout=0.1"], "did you mean model.dropout?"),
        (["--where", "lr>0"], "did you mean optimizer.learning_rate?"),
        (["--sort", "val_acc"], "did you mean val_accuracy?"),
        (["--columns", "run,val_acuracy"], "did you mean val_accuracy?"),
        (["--where", "wholly_unknown=1"], "one of run, path, status"),
    ],
)
def test_an_unknown_key_is_refused_and_the_closest_named(outputs, mlptrain, words, hint):
    outcome = mlptrain("runs", *words)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.hint.startswith(hint)


@pytest.mark.parametrize(
    "words",
    [
        ["--where", "optimizer"],
        ["--where", "=sgd"],
        ["--where", ""],
        ["--where", "val_accuracy ~ 0.5"],
        ["--where", "val_accuracy>0.5,0.9"],
        ["--format", "xml"],
        ["nowhere"],
        ["--sort"],
    ],
)
def test_a_wrong_call_is_explained(outputs, mlptrain, words):
    outcome = mlptrain("runs", *words)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.expected
    assert outcome.hint


@pytest.mark.parametrize("path", ["~nobody_of_this_name/outputs", "x" * 5_000])
def test_a_path_that_cannot_be_is_refused_like_one_that_is_not_there(mlptrain, path):
    outcome = mlptrain("runs", path)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("Run folder error")


@pytest.mark.parametrize("folder", [None, "outputs"])
def test_without_any_run_it_says_what_it_looked_for(mlptrain, elsewhere, assert_refused, folder):
    outcome = mlptrain("runs")
    assert "run.json" in outcome.expected
    assert_refused(outcome)


def test_cells_trained_elsewhere_belong_to_the_sweep_that_asks_for_them(elsewhere, mlptrain):
    """Those of no other config, none that is not finished, and none that is no longer asked for."""
    own = write_run("outputs/mine/own", *TINY)
    first = write_run("outputs/theirs/first", *TINY, "seed=1")
    write_run("outputs/theirs/second", *TINY, "seed=2", status="failed")
    write_run("outputs/third", *TINY, "seed=3")
    write_run("outputs/fourth", *TINY, "seed=4")
    cells = [
        (json.loads((Path(run) / "run.json").read_text())["config_hash"], "cell", asked)
        for run, asked in [(own, [0]), (first, [0]), ("outputs/theirs/second", [0]),
                           ("outputs/fourth", [])]
    ]  # fmt: skip
    write_sweep("outputs/mine", cells)
    outcome = mlptrain("runs", "outputs/mine", "--format", "json", "--columns", "run")
    assert [row["run"] for row in json.loads(outcome.stdout)] == ["own", "first"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"cells": 1}', '{"cells": [1, {"hash": [], "commands": [0]}]}']
)
def test_a_damaged_sweep_file_hides_no_run(elsewhere, mlptrain, content):
    write_run("outputs/mine/own", *TINY)
    Path("outputs/mine/sweep.json").write_text(content)
    outcome = mlptrain("runs", "outputs/mine", "--format", "json")
    assert outcome.exit_code == 0, outcome.stderr
    assert len(json.loads(outcome.stdout)) == 1


def test_runs_that_meet_no_condition_are_none_and_no_error(outputs, mlptrain):
    outcome = mlptrain("runs", "--where", "val_accuracy>0.9")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert "0 runs" in outcome.stdout


# In which order.


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("val_accuracy", "bcade"),  # highest first, those without a figure last
        ("-val_accuracy", "acbde"),
        ("test_accuracy", "cabde"),
        ("test_macro_f1", "cabde"),
    ],
)
def test_accuracies_are_sorted_highest_first(names, key, expected):
    assert names("--sort", key) == list(expected)


def test_all_else_is_sorted_lowest_first(names):
    where = ("--where", "status=finished")
    assert names("--sort", "model.dropout", *where) == ["a", "b", "c"]
    assert names("--sort", "-model.dropout", *where) == ["c", "b", "a"]
    assert names("--sort", "optimizer", *where) == ["a", "c", "b"]
    assert names("--sort", "-run") == ["e", "d", "c", "b", "a"]


# Which columns.


def test_only_what_varies_has_a_column(rows):
    first = rows()[0]
    assert list(first)[:2] == ["run", "status"]
    assert {"optimizer", "model.dropout", "val_accuracy", "test_accuracy"} <= set(first)
    assert not {"seed", "activation", "train.epochs", "data", "config_hash"} & set(first)


def test_the_seed_has_a_column_where_there_are_several(rows, outputs):
    write_run(outputs / "f", "seed=7")
    assert {row["seed"] for row in rows()} == {7, 42}


def test_the_status_has_a_column_where_a_run_is_not_finished(rows):
    assert "status" not in rows("--where", "status=finished")[0]
    assert [row["status"] for row in rows("--where", "status=failed")] == ["failed"]


def test_columns_are_those_asked_for_in_that_order(rows):
    asked = rows("--columns", "val_accuracy, init,run", "--where", "optimizer=sgd")
    assert [list(row.items()) for row in asked] == [
        [("val_accuracy", 0.53), ("initializer", "he_normal"), ("run", "b")]
    ]


# In which form.


@pytest.fixture
def table(outputs, mlptrain, monkeypatch):
    def call(*words, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        outcome = mlptrain("runs", *words)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.stdout

    return call


def test_a_run_whose_process_is_gone_is_not_shown_as_running(tmp_path, mlptrain):
    write_run(tmp_path / "gone", status="running", finished=None, alive=False)
    write_run(tmp_path / "here", status="running", finished=None)
    told = json.loads(mlptrain("runs", str(tmp_path), "--format", "json").stdout)
    assert {row["run"]: row["status"] for row in told} == {"gone": "stale", "here": "running"}


def test_runs_that_failed_or_go_on_are_shown_as_such(table):
    lines = {line.split()[0]: line for line in table(columns=160).splitlines() if line.strip()}
    assert "failed" in lines["d"]
    assert "running" in lines["e"]
    assert "finished" in lines["a"]
    assert "5 runs" in lines["5"]


def test_accuracies_are_shown_in_percent(table):
    text = table(columns=160)
    assert "val %" in text
    assert "53.00" in text


def test_no_line_is_wider_than_the_terminal(table, outputs):
    name = "2026-01-01_12-00-00-0123abcd-9f1e-" + "long" * 20
    write_run(outputs / name, "model.hidden=[8,8,8,8,8,8,8,8,8]", "activation=tanh", "seed=7")
    text = table(columns=80)
    body = [line for line in text.splitlines() if "no room for" not in line]
    assert max(map(len, body)) <= 80
    assert "…" in text  # the long name is cut, not the figures
    for figure in ("53.00", "51.00", "val %"):
        assert figure in text


def test_columns_without_room_are_named(table):
    narrow, wide = table(columns=50), table(columns=200)
    assert "no room for" in narrow
    assert "--columns chooses" in narrow
    assert "no room for" not in wide
    left_out = narrow.partition("no room for ")[2].partition(" (")[0].split(", ")
    assert left_out
    assert "val_accuracy" not in left_out


def test_csv_parses_back(outputs, mlptrain):
    write_run(outputs / "f", 'name="a, \\"b\\""', val=0.123456789012345)
    outcome = mlptrain("runs", "--format", "csv", "--columns", "run,name,val_accuracy,seed,reason")
    parsed = {row["run"]: row for row in csv.DictReader(io.StringIO(outcome.stdout))}
    assert list(parsed["a"]) == ["run", "name", "val_accuracy", "seed", "reason"]
    assert parsed["f"]["name"] == 'a, "b"'
    assert float(parsed["f"]["val_accuracy"]) == 0.123456789012345
    assert (parsed["e"]["val_accuracy"], parsed["e"]["seed"]) == ("", "42")
    assert parsed["d"]["reason"] == "Training failed: NaN"


def test_json_parses_back_with_types(outputs, rows):
    write_run(outputs / "f", "model.hidden=[8,4]", val=0.123456789012345)
    asked = rows("--columns", "run,val_accuracy,model.hidden,seed,name", "--where", "run=f")
    assert asked == [
        {
            "run": "f",
            "val_accuracy": 0.123456789012345,
            "model.hidden": [8, 4],
            "seed": 42,
            "name": None,
        }
    ]


def test_markdown_is_a_table(outputs, mlptrain):
    write_run(outputs / "f", "name='x|y'", val=0.5)
    lines = mlptrain(
        "runs", "--format", "markdown", "--columns", "run,name,val_accuracy"
    ).stdout.splitlines()
    assert lines[0] == "| run | name | val_accuracy |"
    assert lines[1] == "|---|---|---|"
    assert r"| f | x\|y | 0.5 |" in lines
    assert len(lines) == 2 + 6


@pytest.mark.parametrize(("form", "empty"), [("json", "[]"), ("csv", ""), ("markdown", "")])
def test_no_runs_are_an_empty_table(outputs, mlptrain, form, empty):
    outcome = mlptrain("runs", "--format", form, "--where", "val_accuracy>0.9")
    assert outcome.exit_code == 0
    assert outcome.stdout.strip() == empty


# What cannot be read, and what it takes.


def test_a_folder_that_cannot_be_read_is_told_and_the_others_listed(outputs, mlptrain):
    (outputs / "broken").mkdir()
    (outputs / "broken" / "run.json").write_text("{")
    outcome = mlptrain("runs", "--format", "csv", "--columns", "run")
    assert outcome.exit_code == 0
    assert outcome.stdout.split() == ["run", "a", "b", "d", "e", "c"]
    (line,) = outcome.stderr.splitlines()
    assert line.startswith(f"skipped {outputs / 'broken'}: run.json: not JSON")


def test_a_config_cannot_pose_as_what_the_run_is(outputs, mlptrain):
    config = {"path": "nowhere", "run": "another", "status": "running", "val_accuracy": 0.99}
    write_run(outputs / "f", val=0.1, config=config)
    outcome = mlptrain("runs", "--format", "json", "--columns", "run,path,status,val_accuracy")
    assert outcome.exit_code == 0, outcome.stderr
    (own,) = [row for row in json.loads(outcome.stdout) if row["path"].endswith("f")]
    assert own == {
        "run": "f",
        "path": str(outputs / "f"),
        "status": "finished",
        "val_accuracy": 0.1,
    }


def test_neither_tensorflow_nor_anything_else_heavy_is_imported(outputs, real_mlptrain):
    heavy = "{'tensorflow', 'keras', 'sklearn', 'matplotlib', 'pandas', 'hydra', 'numpy'}"
    code = (
        "import sys\n"
        "from mlptrain.cli import run_command_line\n"
        "code = run_command_line(['runs', '--sort', 'val_accuracy'])\n"
        f"found = {heavy} & set(sys.modules)\n"
        "sys.exit(str(found) if found else code)\n"
    )
    outcome = real_mlptrain(python=("-c", code))
    assert outcome.exit_code == 0, outcome.stderr
    assert "5 runs" in outcome.stdout


# load_runs


def test_load_runs_gives_a_row_for_each_run(outputs):
    frame = load_runs(outputs).set_index("run")
    assert sorted(frame.index) == ["a", "b", "c", "d", "e"]
    assert frame.loc["b", "optimizer"] == "sgd"
    assert frame.loc["b", "model.dropout"] == 0.2
    assert frame.loc["b", "val_accuracy"] == 0.53
    assert frame.loc["b", "seed"] == 42
    assert frame.loc["b", "path"] == str(outputs / "b")
    assert frame.loc["d", "status"] == "failed"
    assert frame["val_accuracy"].isna().sum() == 2
    assert frame["val_accuracy"].dtype == float


def test_load_runs_reads_outputs_unless_told_otherwise(outputs):
    assert len(load_runs()) == 5
    assert list(load_runs("outputs/a", outputs / "sweep")["run"]) == ["a", "c"]


def test_load_runs_warns_of_what_it_leaves_out(outputs):
    (outputs / "broken").mkdir()
    (outputs / "broken" / "run.json").write_text("[]")
    with pytest.warns(UserWarning, match=r"skipped .*broken: run.json: not a JSON object"):
        assert len(load_runs()) == 5


def test_load_runs_refuses_a_path_without_runs(elsewhere):
    with pytest.raises(RunFolderError, match="nowhere"):
        load_runs("nowhere")


def test_load_runs_without_pandas_says_so_at_once(elsewhere, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas"):
        load_runs("nowhere")
