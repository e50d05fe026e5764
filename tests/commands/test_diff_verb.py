"""`mlptrain diff`: only what differs, a column for each run."""

import re

import numpy as np
import pytest
from crafted import DATA, MACHINE, VERSIONS, write_run
from scipy.stats import binomtest

from mlptrain.store.names import DESCRIPTIONS


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


LABELS = np.arange(20, dtype=np.uint8) % 10


def write_predictions(folder, wrong, labels=LABELS):
    """All images right but those named."""
    classes = labels.astype(int)
    classes[wrong] = (classes[wrong] + 1) % 10
    np.savez_compressed(
        folder / "predictions.npz",
        test_probabilities=np.eye(10, dtype=np.float16)[classes],
        test_labels=labels,
    )


def image_by_image(text):
    """What the last lines say, however they were broken."""
    return " ".join(text.partition("image by image: ")[2].split())


def test_two_runs_are_compared_image_by_image_on_test(runs, diff):
    write_predictions(runs / "a", wrong=[0, 1, 2, 3, 4, 5, 6, 7, 19])
    write_predictions(runs / "b", wrong=[17, 18, 19])  # 19 is wrong in both: it tells nothing
    p = binomtest(2, 10, 0.5).pvalue
    _, text = diff("outputs/a", "outputs/b")
    assert image_by_image(text) == (
        "of 20 test images only the first run has 2 right, only the second 8; "
        f"p = {p:.2f} (McNemar's exact test). Test is only shown: choose by validation."
    )
    _, text = diff("outputs/b", "outputs/a")
    assert "only the first run has 8 right, only the second 2; " in text


def test_a_clear_difference_image_by_image_has_a_small_p(runs, diff):
    labels = np.zeros(500, np.uint8)
    write_predictions(runs / "a", list(range(60)), labels)
    write_predictions(runs / "b", list(range(40, 80)), labels)
    _, text = diff("outputs/a", "outputs/b")
    assert f"p = {binomtest(20, 60, 0.5).pvalue:.3f} (" in text
    write_predictions(runs / "b", [], labels)
    assert "p < 0.001 (" in diff("outputs/a", "outputs/b")[1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": {**DATA, "checksum": "cd" * 32}}, "other data or another split"),
        (
            {"data": {**DATA, "sizes": {**DATA["sizes"], "train": 9}}},
            "other data or another split",
        ),
        ({"data": None}, "other data or another split"),
        ({"data": {"checksum": None, "sizes": [1]}}, "other data or another split"),
    ],
)
def test_runs_on_other_images_are_not_compared_image_by_image(runs, diff, change, reason):
    write_run(runs / "c", "optimizer=sgd", val=0.53, **change)
    for name in "ac":
        write_predictions(runs / name, [0])
    _, text = diff("outputs/a", "outputs/c")
    assert image_by_image(text) == f"not compared on test: the runs were trained on {reason}"


def test_without_usable_predictions_it_says_why(runs, diff):
    write_predictions(runs / "a", [0])
    told = image_by_image(diff("outputs/a", "outputs/b")[1])
    assert told == "not compared on test: b: predictions.npz: No such file or directory"
    write_predictions(runs / "b", [0], LABELS[::-1].copy())
    told = image_by_image(diff("outputs/a", "outputs/b")[1])
    assert told == "not compared on test: the two files are not of the same test images"
    (runs / "b" / "predictions.npz").write_bytes(b"PK\x03\x04\x1b[31m")
    told = image_by_image(diff("outputs/a", "outputs/b")[1])
    assert told.startswith("not compared on test: b: predictions.npz: cannot be read")


def test_more_than_two_runs_are_not_compared_image_by_image(runs, diff):
    write_run(runs / "c", "optimizer=adam", "seed=3")
    assert "image by image" not in diff("outputs/a", "outputs/b", "outputs/c")[1]


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
        "from mlptrain.cli import run_command_line\n"
        "code = run_command_line(['diff', 'outputs/a', 'outputs/b'])\n"
        "found = {'tensorflow', 'keras', 'sklearn', 'matplotlib', 'pandas'} & set(sys.modules)\n"
        "sys.exit(str(found) if found else code)\n"
    )
    outcome = real_mlptrain(python=("-c", code))
    assert outcome.exit_code == 0, outcome.stderr
