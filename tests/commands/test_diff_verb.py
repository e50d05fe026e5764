"""`mlptrain diff`: only what differs, a column for each run."""

import re

import pytest
from crafted import DATA, MACHINE, VERSIONS, write_run

from mlptrain.runs.folder import DESCRIPTIONS


@pytest.fixture
def runs(elsewhere):
    root = elsewhere / "outputs"
    write_run(root / "a", "optimizer=adam", val=0.51)
    write_run(root / "b", "optimizer=sgd", "seed=7", val=0.53)
    (root / "latest").symlink_to("b", target_is_directory=True)
    return root


@pytest.fixture
def diff(mlptrain, monkeypatch):
    """Words → key → values, section headings among the keys; and the whole text."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words):
        outcome = mlptrain("diff", *words)
        assert outcome.exit_code == 0, outcome.stderr
        rows = [re.split(r"\s{2,}", line.strip()) for line in outcome.stdout.splitlines()]
        return {row[0]: row[1:] for row in rows}, outcome.stdout

    return call


def test_what_differs_is_told_in_the_order_of_the_runs(runs, diff):
    rows, text = diff("outputs/a", "outputs/b")
    assert rows["optimizer"] == ["adam", "sgd"]
    assert rows["seed"] == ["42", "7"]
    assert rows["val_accuracy"] == ["0.51", "0.53"]
    assert "config" in rows
    assert "results" in rows
    assert re.search(r"^\s+a\s+b\s*$", text, re.MULTILINE)


def test_what_is_the_same_is_left_out_and_named(runs, diff):
    rows, text = diff("outputs/a", "outputs/b")
    assert "activation" not in rows
    assert "test_accuracy" not in rows
    assert "the same: data, versions, source, machine, status" in text
    assert "the same experiment" not in text


def test_a_setting_that_only_one_has_is_a_dash_for_the_other(runs, diff):
    rows, _ = diff("outputs/a", "outputs/b")
    assert rows["optimizer.momentum"] == ["-", "0.9"]
    assert rows["optimizer.beta_1"] == ["0.9", "-"]


@pytest.mark.parametrize(
    ("part", "changes", "key", "values"),
    [
        ("data", {"data": {**DATA, "checksum": "cd" * 32}}, "checksum", ["ab" * 32, "cd" * 32]),
        (
            "data",
            {"data": {**DATA, "sizes": {**DATA["sizes"], "test": 9}}},
            "sizes.test",
            ["500", "9"],
        ),
        ("versions", {"versions": {**VERSIONS, "keras": "3.14.0"}}, "keras", ["3.13.2", "3.14.0"]),
        ("source", {"git": {"commit": "beef", "dirty": False}}, "commit", ["c0ffee", "beef"]),
        ("source", {"git": None}, "commit", ["c0ffee", "-"]),
        ("machine", {"machine": {**MACHINE, "threads": 8}}, "threads", ["2", "8"]),
        (
            "status",
            {"status": "failed", "reason": "because [red]of[/] it"},
            "reason",
            ["because [red]of[/] it"],
        ),
    ],
)
def test_every_part_of_the_record_is_compared(runs, diff, part, changes, key, values):
    write_run(runs / "c", "optimizer=adam", val=0.51, **changes)
    rows, text = diff("outputs/a", "outputs/c")
    assert rows[key] == values
    assert part in rows
    assert f"{part}," not in text.partition("the same:")[2]


def test_the_same_experiment_run_twice_is_called_so(runs, diff):
    write_run(runs / "again", "optimizer=adam", val=0.51)
    rows, text = diff("outputs/a", "outputs/again")
    assert "the same: config, data, versions, source, machine, status, results" in text
    assert "the same experiment: one config_hash" in text
    assert not {"config", "results"} & set(rows)


def test_three_runs_have_three_columns(runs, diff):
    write_run(runs / "c", "optimizer=adam", "seed=3", status="running")
    rows, _ = diff("outputs/a", "outputs/b", "outputs/c")
    assert rows["optimizer"] == ["adam", "sgd", "adam"]
    assert rows["status"] == ["finished", "finished", "running"]
    assert rows["val_accuracy"] == ["0.51", "0.53", "-"]


def test_latest_is_a_run_like_any(runs, diff):
    rows, _ = diff("outputs/a", "outputs/latest")
    assert rows["optimizer"] == ["adam", "sgd"]


def test_one_run_is_not_enough(runs, mlptrain):
    outcome = mlptrain("diff", "outputs/a")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.expected == "two runs or more"


@pytest.mark.parametrize("path", ["outputs", "nowhere", "~nobody_of_this_name/x", "x" * 5_000])
def test_a_path_that_is_no_run_is_refused(runs, mlptrain, path):
    outcome = mlptrain("diff", "outputs/a", path)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("Run folder error")
    assert outcome.received == path


def test_it_fits_a_narrow_terminal(runs, mlptrain, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    write_run(runs / ("long" * 25), f"name={'x' * 300}", f"tags=[{'y' * 300}]")
    lines = mlptrain("diff", "outputs/a", f"outputs/{'long' * 25}").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "xxx" in "".join(lines)


def test_only_the_records_are_read(runs, mlptrain):
    for name in set(DESCRIPTIONS) - {"run.json", "metrics.json", "checkpoint", "tensorboard"}:
        (runs / "a" / name).write_bytes(b"\x80not what it should be")
    outcome = mlptrain("diff", "outputs/a", "outputs/b")
    assert (outcome.exit_code, outcome.stderr) == (0, "")


def test_tensorflow_is_not_imported(runs, real_mlptrain):
    code = (
        "import sys\n"
        "from mlptrain.cli import _run\n"
        "code = _run(['diff', 'outputs/a', 'outputs/b'])\n"
        "found = {'tensorflow', 'keras', 'sklearn', 'matplotlib', 'pandas'} & set(sys.modules)\n"
        "sys.exit(str(found) if found else code)\n"
    )
    outcome = real_mlptrain(python=("-c", code))
    assert outcome.exit_code == 0, outcome.stderr
