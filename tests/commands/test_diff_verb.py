"""`mlptrain diff`: only what differs, with a column for each run."""

import re

import numpy as np
import pytest
from crafted import DATA, MACHINE, VERSIONS, write_predictions, write_run
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
    """Names of runs → the values of each key, section headings included; and the whole text."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*names):
        outcome = mlptrain("diff", *(f"outputs/{name}" for name in names))
        assert outcome.exit_code == 0, outcome.stderr
        rows = [re.split(r"\s{2,}", line.strip()) for line in outcome.stdout.splitlines()]
        return {row[0]: row[1:] for row in rows}, outcome.stdout

    return call


def test_only_what_differs_is_shown_in_the_order_of_the_runs(runs, diff):
    rows, text = diff("a", "b")
    assert re.search(r"^\s+a\s+b\s*$", text, re.MULTILINE)
    assert {"config", "results"} <= set(rows)
    assert rows["optimizer"] == ["adam", "sgd"]
    assert rows["seed"] == ["42", "7"]
    assert rows["val_accuracy"] == ["0.51", "0.53"]
    # A setting that only one of them has is a dash for the other.
    assert rows["optimizer.momentum"] == ["-", "0.9"]
    assert rows["optimizer.beta_1"] == ["0.9", "-"]
    assert not {"activation", "test_accuracy"} & set(rows)
    assert "the same: data, versions, source, machine, status" in text
    assert "the same experiment" not in text


@pytest.mark.parametrize(
    ("part", "changes", "key", "values"),
    [
        ("data", {"data": {**DATA, "checksum": "cd" * 32}}, "checksum", ["ab" * 32, "cd" * 32]),
        ("data", {"data": {**DATA, "sizes": {**DATA["sizes"], "test": 9}}}, "sizes.test",
         ["500", "9"]),
        ("versions", {"versions": {**VERSIONS, "keras": "3.14.0"}}, "keras", ["3.13.2", "3.14.0"]),
        ("source", {"git": {"commit": "beef", "dirty": False}}, "commit", ["c0ffee", "beef"]),
        ("source", {"git": None}, "commit", ["c0ffee", "-"]),
        ("machine", {"machine": {**MACHINE, "threads": 8}}, "threads", ["2", "8"]),
        ("status", {"status": "failed", "reason": "because [red]of[/] it"}, "reason",
         ["because [red]of[/] it"]),
    ],
)  # fmt: skip
def test_every_part_of_the_record_is_compared(runs, diff, part, changes, key, values):
    write_run(runs / "c", "optimizer=adam", val=0.51, **changes)
    rows, text = diff("a", "c")
    assert rows[key] == values
    assert part in rows
    assert f"{part}," not in text.partition("the same:")[2]


def test_two_runs_of_the_same_experiment_are_recognized(runs, diff):
    write_run(runs / "again", "optimizer=adam", val=0.51)
    rows, text = diff("a", "again")
    assert "the same: config, data, versions, source, machine, status, results" in text
    assert "the same experiment: one config_hash" in text
    assert not {"config", "results"} & set(rows)


def validation(text):
    """Return the sentence on validation, wherever it was broken."""
    return " ".join(text.partition("validation: ")[2].partition("image by image")[0].split())


def test_single_runs_of_two_configurations_have_an_interval_for_new_images_alone(runs, diff):
    assert validation(diff("a", "b")[1]) == (
        # √((0.51 · 0.49 + 0.53 · 0.47) / 200) = 4.996 points, times 1.96.
        "second minus first +2.00 points, 95 % interval -7.79 to +11.79 for new images alone by "
        "the binomial bound; how far other seeds would move it takes two seeds of each."
    )
    write_run(runs / "c", "optimizer=sgd", val=0.53, data=None)
    assert validation(diff("a", "c")[1]) == ""


def test_two_configurations_with_several_seeds_are_compared_for_new_seeds_and_images(runs, diff):
    for name, optimizer, val in (("c", "adam", 0.60), ("d", "sgd", 0.30)):
        write_run(runs / f"{name}1", f"optimizer={optimizer}", "seed=1", val=val)
        write_run(runs / f"{name}2", f"optimizer={optimizer}", "seed=2", val=val + 0.01)
    sentence = validation(diff("c1", "d1", "c2", "d2")[1])
    assert sentence.startswith("second minus first -30.00 points, 95 % interval -39.")
    assert "for new seeds and new images by the binomial bound, p < 0.001 (2 shared" in sentence


LABELS = np.arange(20, dtype=np.uint8) % 10


def write_wrong(folder, wrong, labels=LABELS):
    """Write predictions that are right for all images but those named."""
    predicted = labels.astype(int)
    predicted[wrong] = (predicted[wrong] + 1) % 10
    write_predictions(folder, predicted, labels)


def image_by_image(text):
    """Return what the last lines say, wherever they were broken."""
    return " ".join(text.partition("image by image: ")[2].split())


def test_two_runs_are_compared_image_by_image_on_test(runs, diff):
    write_wrong(runs / "a", wrong=[0, 1, 2, 3, 4, 5, 6, 7, 19])
    write_wrong(runs / "b", wrong=[17, 18, 19])  # 19 is wrong in both and does not count
    p = binomtest(2, 10, 0.5).pvalue
    assert image_by_image(diff("a", "b")[1]) == (
        "of 20 test images, only the first run has 2 right and only the second 8; "
        f"p = {p:.2f} (McNemar's exact test). Test is only shown: choose by validation."
    )
    assert "only the first run has 8 right and only the second 2; " in diff("b", "a")[1]


def test_a_clear_difference_image_by_image_has_a_small_p(runs, diff):
    labels = np.zeros(500, np.uint8)
    write_wrong(runs / "a", list(range(60)), labels)
    write_wrong(runs / "b", list(range(40, 80)), labels)
    assert f"p = {binomtest(20, 60, 0.5).pvalue:.3f} (" in diff("a", "b")[1]
    write_wrong(runs / "b", [], labels)
    assert "p < 0.001 (" in diff("a", "b")[1]


@pytest.mark.parametrize(
    "data",
    [
        {**DATA, "checksum": "cd" * 32},
        {**DATA, "sizes": {**DATA["sizes"], "train": 9}},
        {"checksum": None, "sizes": [1]},
        None,
    ],
)
def test_runs_on_other_images_are_not_compared_image_by_image(runs, diff, data):
    write_run(runs / "c", "optimizer=sgd", val=0.53, data=data)
    for name in "ac":
        write_wrong(runs / name, [0])
    assert image_by_image(diff("a", "c")[1]) == (
        "not compared on test: the runs were trained on other data or another split"
    )


def test_without_usable_predictions_the_reason_is_given(runs, diff):
    def reason():
        return image_by_image(diff("a", "b")[1]).removeprefix("not compared on test: ")

    write_wrong(runs / "a", [0])
    assert reason() == "b: predictions.npz: No such file or directory"
    write_wrong(runs / "b", [0], LABELS[::-1].copy())
    assert reason() == "the two files are not of the same test images"
    (runs / "b" / "predictions.npz").write_bytes(b"PK\x03\x04\x1b[31m")
    assert reason().startswith("b: predictions.npz: cannot be read")


def test_three_runs_have_three_columns_and_are_not_compared_image_by_image(runs, diff):
    write_run(runs / "c", "optimizer=adam", "seed=3", status="running")
    rows, text = diff("a", "latest", "c")
    assert rows["optimizer"] == ["adam", "sgd", "adam"]
    assert rows["status"] == ["finished", "finished", "running"]
    assert rows["val_accuracy"] == ["0.51", "0.53", "-"]
    assert "image by image" not in text


def test_one_run_is_not_enough(runs, mlptrain):
    outcome = mlptrain("diff", "outputs/a")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.expected == "two runs or more"


@pytest.mark.parametrize("path", ["outputs", "nowhere", "~nobody_of_this_name/x", "x" * 5_000])
def test_a_path_without_a_run_is_refused(runs, mlptrain, path):
    outcome = mlptrain("diff", "outputs/a", path)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("Run folder error")
    assert outcome.received.startswith(f"{path}, which ")


def test_the_table_fits_a_narrow_terminal(runs, mlptrain, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    name = "long" * 25
    write_run(runs / name, f"name={'x' * 300}", f"tags=[{'y' * 300}]")
    lines = mlptrain("diff", "outputs/a", f"outputs/{name}").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "xxx" in "".join(lines)


def test_only_the_records_are_read(runs, mlptrain):
    for name in set(DESCRIPTIONS) - {"run.json", "metrics.json", "checkpoint", "tensorboard"}:
        (runs / "a" / name).write_bytes(b"\x80not what it should be")
    outcome = mlptrain("diff", "outputs/a", "outputs/b")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
