"""`mlptrain runs` and `load_runs`: which runs, which columns, in which order and form."""

import csv
import io
import json
import sys

import pytest
from crafted import TINY, read_hash, write_run, write_sweep

from mlptrain import load_runs
from mlptrain.errors import RunFolderError


@pytest.fixture
def outputs(elsewhere):
    """Three finished runs, a failed one and a running one, as a real output root has them."""
    root = elsewhere / "outputs"
    write_run(root / "a", "optimizer=adam", "model.dropout=0.1", val=0.51, test=0.45)
    write_run(root / "b", "optimizer=sgd", "model.dropout=0.2", val=0.53, test=0.44)
    write_run(root / "sweep" / "c", "optimizer=rmsprop", "model.dropout=0.3", val=0.52, test=0.46)
    write_run(root / "d", "optimizer=adam", status="failed", reason="Training failed: NaN")
    write_run(root / "e", "optimizer=adam", status="running", finished=None)
    (root / "latest").symlink_to("b", target_is_directory=True)
    return root


@pytest.fixture
def printed(mlptrain):
    """Arguments of the subcommand → what it prints."""

    def call(*arguments):
        outcome = mlptrain("runs", *arguments)
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        return outcome.stdout

    return call


@pytest.fixture
def rows(printed):
    return lambda *arguments: json.loads(printed("--format", "json", *arguments))


@pytest.fixture
def names(outputs, rows):
    return lambda *arguments: [row["run"] for row in rows("--columns", "run", *arguments)]


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
def test_runs_that_meet_all_conditions_are_listed(names, conditions, expected):
    options = [text for condition in conditions for text in ("--where", condition)]
    assert sorted(names(*options)) == list(expected)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--where", "optimzer=sgd"], "did you mean optimizer?"),
        (["--where", "dropout=0.1"], "did you mean model.dropout?"),
        (["--where", "lr>0"], "did you mean optimizer.learning_rate?"),
        (["--sort", "val_acc"], "did you mean val_accuracy?"),
        (["--columns", "run,val_acuracy"], "did you mean val_accuracy?"),
        (["--where", "wholly_unknown=1"], "one of run, path, status"),
        (["--columns", "val"], "choose one of data.validation_fraction, val_accuracy"),
        (["--where", "optimizer"], "--where "),
        (["--where", "=sgd"], "--where "),
        (["--where", ""], "--where "),
        (["--where", "val_accuracy ~ 0.5"], "--where "),
        (["--where", "val_accuracy>0.5,0.9"], "write val_accuracy>0.5"),
        (["--format", "xml"], "choose one of them"),
        (["--sort"], "mlptrain runs --help"),
        (["nowhere"], "trains a run"),
        (["~nobody_of_this_name/outputs"], "trains a run"),
        (["x" * 5_000], "trains a run"),
    ],
)
def test_a_wrong_call_is_refused_with_a_hint(outputs, mlptrain, arguments, hint):
    outcome = mlptrain("runs", *arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.expected
    assert hint in outcome.hint, outcome.hint


def test_without_any_run_the_error_says_what_was_looked_for(mlptrain, assert_refused):
    outcome = mlptrain("runs")
    assert "run.json" in outcome.expected
    assert_refused(outcome)


def test_finished_cells_trained_elsewhere_belong_to_the_sweep_that_requests_them(elsewhere, rows):
    root = elsewhere / "outputs"
    here = write_run(root / "mine" / "here", *TINY)
    there = write_run(root / "theirs" / "there", *TINY, "seed=1")
    failed = write_run(root / "theirs" / "failed", *TINY, "seed=2", status="failed")
    dropped = write_run(root / "dropped", *TINY, "seed=4")
    write_run(root / "other", *TINY, "seed=3")
    requested = [(here, [0]), (there, [0]), (failed, [0]), (dropped, [])]
    write_sweep(root / "mine", [(read_hash(run), "cell", by) for run, by in requested])
    assert [row["run"] for row in rows("outputs/mine", "--columns", "run")] == ["here", "there"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"cells": 1}', '{"cells": [1, {"hash": [], "commands": [0]}]}']
)
def test_a_damaged_sweep_file_hides_no_run(elsewhere, rows, content):
    folder = write_run(elsewhere / "outputs" / "mine" / "run", *TINY).parent
    (folder / "sweep.json").write_text(content)
    assert len(rows("outputs/mine")) == 1


@pytest.mark.parametrize(
    ("form", "empty"), [("table", "0 runs"), ("json", "[]"), ("csv", ""), ("markdown", "")]
)
def test_no_matching_runs_are_an_empty_table(outputs, printed, form, empty):
    assert printed("--format", form, "--where", "val_accuracy>0.9").strip() == empty


# In which order.


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("val_accuracy", "bcade"),  # highest first, those without a figure last
        ("-val_accuracy", "acbde"),
        ("test_accuracy", "cabde"),
        ("test_macro_f1", "cabde"),
        ("-run", "edcba"),
    ],
)
def test_accuracies_are_sorted_highest_first(names, key, expected):
    assert names("--sort", key) == list(expected)


@pytest.mark.parametrize(
    ("key", "expected"), [("model.dropout", "abc"), ("-model.dropout", "cba"), ("optimizer", "acb")]
)
def test_all_other_keys_are_sorted_lowest_first(names, key, expected):
    assert names("--sort", key, "--where", "status=finished") == list(expected)


# Which columns.


def test_only_keys_that_vary_have_a_column(outputs, rows):
    first = rows()[0]
    assert list(first)[:2] == ["run", "status"]
    assert {"optimizer", "model.dropout", "val_accuracy", "test_accuracy"} <= set(first)
    assert not {"seed", "activation", "train.epochs", "data", "config_hash"} & set(first)
    write_run(outputs / "f", "seed=7")
    assert {row["seed"] for row in rows()} == {7, 42}


def test_the_status_has_a_column_where_a_run_is_not_finished(outputs, rows):
    assert "status" not in rows("--where", "status=finished")[0]
    assert [row["status"] for row in rows("--where", "status=failed")] == ["failed"]


def test_requested_columns_are_shown_in_their_order(outputs, rows):
    listed = rows("--columns", "val_accuracy, init,run", "--where", "optimizer=sgd")
    assert [list(row.items()) for row in listed] == [
        [("val_accuracy", 0.53), ("initializer", "he_normal"), ("run", "b")]
    ]


# In which form.


@pytest.fixture
def table(outputs, printed, monkeypatch):
    def call(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        return printed()

    return call


def test_a_run_whose_process_is_gone_is_stale(tmp_path, rows):
    write_run(tmp_path / "gone", status="running", finished=None, alive=False)
    write_run(tmp_path / "here", status="running", finished=None)
    assert {row["run"]: row["status"] for row in rows(str(tmp_path))} == {
        "gone": "stale", "here": "running",
    }  # fmt: skip


def test_the_table_shows_status_and_percentages(table):
    text = table(160)
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert [lines[name].split()[1] for name in "ade"] == ["finished", "failed", "running"]
    assert "5 runs" in lines["5"]
    assert "val %" in text
    assert "53.00" in text


def test_no_line_is_wider_than_the_terminal(table, outputs):
    name = "2026-01-01_12-00-00-0123abcd-9f1e-" + "long" * 20
    write_run(outputs / name, "model.hidden=[8,8,8,8,8,8,8,8,8]", "activation=tanh", "seed=7")
    text = table(80)
    body = [line for line in text.splitlines() if "no room for" not in line]
    assert max(map(len, body)) <= 80
    assert "…" in text  # the long name is cut, not the figures
    for figure in ("53.00", "51.00", "val %"):
        assert figure in text


def test_columns_without_room_are_named(table):
    narrow = table(50)
    assert "--columns chooses" in narrow
    assert "no room for" not in table(200)
    omitted = narrow.partition("no room for ")[2].partition(" (")[0].split(", ")
    assert "optimizer" in omitted
    assert "val_accuracy" not in omitted


def test_a_name_is_whole_where_there_is_room(table, outputs):
    name = "activation=leaky_relu,initializer=glorot_uniform,dropout=0.3-0123abcd"
    write_run(outputs / name, "seed=7")
    assert name in table(200)
    dated = "2026-01-01_12-00-00-0123abcd-9f1e"
    write_run(outputs / dated, "seed=8")
    assert dated in table(80)


def test_requested_columns_that_do_not_fit_side_by_side_follow_below(outputs, printed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    keys = "run,optimizer,config_hash,model.hidden,started,val_accuracy"
    text = printed("--columns", keys, "--where", "run=b")
    assert max(map(len, text.splitlines())) <= 60
    assert "…" not in text
    for figure in ("sgd", "[512, 256, 128, 64]", "2026-01-01T00:00:00+00:00", "53.00"):
        assert figure in text
    assert text.replace("\n", "").replace(" ", "").count(read_hash(outputs / "b")[-8:]) == 1


def test_a_table_in_a_pipe_is_as_wide_as_it_needs(outputs, printed, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    write_run(outputs / ("long" * 30), "activation=tanh", "model.hidden=[8,8,8]", "seed=7")
    text = printed()
    assert "long" * 30 in text
    assert "no room for" not in text


def test_a_number_of_images_is_no_accuracy(outputs, printed):
    config = {"data": {"inventory": {"train": 10}}}
    write_run(outputs / "f", config=config)
    text = printed("--columns", "run,data.inventory.train,train_accuracy")
    assert text.splitlines()[0].split() == ["run", "train", "images", "train", "%"]


# How far a run got, and which runs of many.


@pytest.fixture
def unfinished(outputs):
    """An interrupted run and one that stopped early."""
    path = write_run(outputs / "f", "train.epochs=9", status="interrupted")
    (path / "history.csv").write_text("epoch,loss,accuracy\n1,2.0,0.1\n2,1.9,0.2\n")
    early = "stopped early after 5 of 9 epochs: val_loss had not improved for 2"
    write_run(outputs / "g", "train.epochs=9", reason=early)
    return outputs


def test_the_progress_of_every_run_is_listed(unfinished, rows, printed):
    progress = {row["run"]: row["progress"] for row in rows()}
    assert (progress["f"], progress["g"], progress["e"]) == ("2/9", "5/9 early", "0/30")
    (row,) = rows("--columns", "epochs_run,reason", "--where", "run=g")
    assert row["epochs_run"] == 5
    assert row["reason"].startswith("stopped early after 5 of 9 epochs")
    assert "progress" in printed()
    assert "to resume the last interrupted run: mlptrain resume outputs/f\n" in printed()
    assert "resume" not in printed("--where", "status=finished")
    later = "2026-01-02T00:00:00+00:00"
    write_run(unfinished / "0", "seed=99", status="interrupted", started=later)
    assert "to resume the last interrupted run: mlptrain resume outputs/0\n" in printed()


def test_the_last_runs_are_those_that_were_started_last(outputs, names):
    for day, name in [(3, "w"), (1, "x"), (4, "y"), (2, "z")]:
        write_run(outputs / name, f"seed={day}", started=f"2026-02-0{day}T00:00:00Z")
    assert names("--last", "2") == ["w", "y"]
    assert sorted(names("--last", "99")) == ["a", "b", "c", "d", "e", "w", "x", "y", "z"]
    assert names("--last", "3", "--sort", "-run", "--limit", "2") == ["z", "y"]
    assert names("--last", "2", "--where", "seed<4") == ["w", "z"]


def test_a_limit_says_how_many_there_are(outputs, printed, names):
    assert names("--sort", "val_accuracy", "--limit", "2") == ["b", "c"]
    assert "2 runs of 5" in printed("--limit", "2")


@pytest.mark.parametrize("option", ["--last", "--limit"])
def test_at_least_one_run_is_printed(outputs, mlptrain, option):
    assert mlptrain("runs", option, "0").exit_code == 2


def test_csv_parses_back(outputs, printed):
    write_run(outputs / "f", 'name="a, \\"b\\""', val=0.123456789012345)
    text = printed("--format", "csv", "--columns", "run,name,val_accuracy,seed,reason")
    parsed = {row["run"]: row for row in csv.DictReader(io.StringIO(text))}
    assert list(parsed["a"]) == ["run", "name", "val_accuracy", "seed", "reason"]
    assert parsed["f"]["name"] == 'a, "b"'
    assert float(parsed["f"]["val_accuracy"]) == 0.123456789012345
    assert (parsed["e"]["val_accuracy"], parsed["e"]["seed"]) == ("", "42")
    assert parsed["d"]["reason"] == "Training failed: NaN"


def test_json_parses_back_with_types(outputs, rows):
    write_run(outputs / "f", "model.hidden=[8,4]", val=0.123456789012345)
    columns = {
        "run": "f", "val_accuracy": 0.123456789012345, "model.hidden": [8, 4], "seed": 42,
        "name": None,
    }  # fmt: skip
    assert rows("--columns", ",".join(columns), "--where", "run=f") == [columns]


def test_markdown_is_a_table(outputs, printed):
    write_run(outputs / "f", "name='x|y'", val=0.5)
    lines = printed("--format", "markdown", "--columns", "run,name,val_accuracy").splitlines()
    assert lines[:2] == ["| run | name | val_accuracy |", "|---|---|---|"]
    assert r"| f | x\|y | 0.5 |" in lines
    assert len(lines) == 2 + 6


# Folders that cannot be trusted.


@pytest.fixture
def broken(outputs):
    (outputs / "broken").mkdir()
    (outputs / "broken" / "run.json").write_text("[]")
    return outputs / "broken"


def test_an_unreadable_folder_is_reported_and_the_others_are_listed(broken, mlptrain):
    outcome = mlptrain("runs", "--format", "csv", "--columns", "run")
    assert outcome.exit_code == 0
    assert outcome.stdout.split() == ["run", "a", "b", "d", "e", "c"]
    (line,) = outcome.stderr.splitlines()
    assert line.startswith(f"skipped {broken}: run.json: not a JSON object")


def test_a_config_cannot_change_the_facts_of_its_run(outputs, rows):
    config = {"path": "nowhere", "run": "another", "status": "running", "val_accuracy": 0.99}
    folder = write_run(outputs / "f", val=0.1, config=config)
    listed = rows("--columns", "run,path,status,val_accuracy")
    facts = {"run": "f", "path": str(folder), "status": "finished", "val_accuracy": 0.1}
    assert [row for row in listed if row["path"].endswith("f")] == [facts]


# load_runs


def test_load_runs_returns_a_row_for_each_run(outputs):
    frame = load_runs(outputs).set_index("run")
    assert sorted(frame.index) == ["a", "b", "c", "d", "e"]
    facts = {
        "optimizer": "sgd", "model.dropout": 0.2, "val_accuracy": 0.53, "seed": 42,
        "path": str(outputs / "b"),
    }  # fmt: skip
    assert frame.loc["b", list(facts)].to_dict() == facts
    assert frame.loc["d", "status"] == "failed"
    assert frame["val_accuracy"].isna().sum() == 2
    assert frame["val_accuracy"].dtype == float


def test_load_runs_reads_outputs_by_default(outputs):
    assert len(load_runs()) == 5
    assert list(load_runs("outputs/a", outputs / "sweep")["run"]) == ["a", "c"]


def test_load_runs_warns_about_unreadable_folders(broken):
    with pytest.warns(UserWarning, match=r"skipped .*broken: run.json: not a JSON object"):
        assert len(load_runs()) == 5


def test_load_runs_refuses_a_path_without_runs(elsewhere):
    with pytest.raises(RunFolderError, match="nowhere"):
        load_runs("nowhere")


def test_load_runs_without_pandas_says_so_at_once(elsewhere, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas"):
        load_runs("nowhere")
