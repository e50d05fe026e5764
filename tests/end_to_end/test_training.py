"""Whole commands: repeating, interrupting, killing, resuming, failing."""

import json
import os
import re
import signal
from collections import Counter
from zipfile import ZipFile

import numpy as np
import pytest
from real_command import (
    LONG,
    MINI,
    SPARE,
    finish,
    history,
    read_json,
    runs,
    start,
    status,
    wait_for_epochs,
)

from mlptrain.limits import computes_in_bfloat16

pytestmark = pytest.mark.slow


def assert_same_result(folder, other):
    """The same figures to the last digit, whatever happened on the way."""
    assert history(folder) == history(other)
    ours, theirs = (read_json(path, "metrics.json") for path in (folder, other))
    del ours["seconds"], theirs["seconds"]
    assert ours == theirs
    with np.load(folder / "predictions.npz") as mine, np.load(other / "predictions.npz") as its:
        for name in mine.files:
            np.testing.assert_array_equal(mine[name], its[name])


def test_the_users_first_command_line_trains(run):
    done = run("first")
    assert done.code == 0, done.err
    assert status(done.folder) == "finished"
    assert len(history(done.folder)) == 1
    config = read_json(done.folder, "run.json")["config"]
    assert (config["optimizer"]["name"], config["model"]["dropout"]) == ("rmsprop", 0.3)
    assert config["data"]["name"] == "cifar10_mini"


def test_the_same_command_twice_gives_identical_figures_in_a_folder_of_its_own(
    run, command, tmp_path
):
    first = run("first")
    again = command(tmp_path, *read_json(first.folder, "run.json")["command"][1:])
    assert again.code == 0, again.err
    assert again.folder.name != first.folder.name
    assert_same_result(again.folder, first.folder)
    hashes = {read_json(d.folder, "run.json")["config_hash"] for d in (first, again)}
    assert len(hashes) == 1


def test_like_starts_from_an_earlier_runs_config(run, command, tmp_path):
    study = run("study")
    done = command(tmp_path, "--like", str(study.folder), "train.epochs=1", "seed=42")
    assert done.code == 0, done.err
    before, now = (read_json(d.folder, "run.json")["config"] for d in (study, done))
    assert now["train"].pop("epochs") == 1
    assert before["train"].pop("epochs") == 3
    assert now == before
    # A constant rate: the first epoch of three is the only epoch of one.
    assert history(done.folder) == history(study.folder)[:1]


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_early_stopping_is_named_wherever_the_run_is_read(command, tmp_path):
    still = ["optimizer.learning_rate=1e-12", "model.batch_norm=false", "model.hidden=[8]"]
    patience = "callbacks.early_stopping.patience=2"
    done = command(tmp_path, MINI, *SPARE, "train.epochs=9", patience, *still)
    assert done.code == 0, done.err
    epochs = len(history(done.folder))
    reason = f"stopped early after {epochs} of 9 epochs: val_loss had not improved for 2"
    metrics = read_json(done.folder, "metrics.json")
    assert f"S{reason[1:]}; metrics are from the best epoch, {metrics['best_epoch']}." in done.out
    assert metrics["reason"] == read_json(done.folder, "run.json")["reason"] == reason
    assert epochs == metrics["best_epoch"] + 2 < 9


def test_ctrl_c_ends_as_interrupted_and_resume_reaches_the_undisturbed_result(
    run, command, tmp_path
):
    process = start(tmp_path, *LONG)
    folder = wait_for_epochs(process, tmp_path, 2)
    process.send_signal(signal.SIGINT)
    stopped = finish(process, tmp_path)
    assert stopped.code == 130
    assert "nterrupted" in stopped.err
    assert "Traceback" not in stopped.err
    assert f"mlptrain resume {folder.relative_to(stopped.cwd)}" in stopped.out
    facts = read_json(folder, "run.json")
    assert (facts["status"], facts["reason"]) == ("interrupted", "SIGINT")
    rows = history(folder)
    assert 2 <= len(rows) < 10

    resumed = command(tmp_path, "resume", str(folder))
    assert resumed.code == 0, resumed.err
    assert history(folder)[: len(rows)] == rows
    assert_same_result(folder, run("undisturbed").folder)
    facts = read_json(folder, "run.json")
    assert (facts["status"], facts["reason"], len(facts["resumed"])) == ("finished", None, 1)
    assert not (folder / "checkpoint").exists()

    refused = command(tmp_path, "resume", str(folder))
    assert refused.code == 2
    assert "not finished" in refused.err
    assert "--like" in refused.err
    assert status(folder) == "finished"


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_a_job_that_slurm_requeues_resumes_its_run_to_the_undisturbed_result(
    run, command, tmp_path, monkeypatch
):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    for restarts, number in enumerate([signal.SIGTERM, signal.SIGKILL]):
        if restarts:
            monkeypatch.setenv("SLURM_RESTART_COUNT", str(restarts))
        process = start(tmp_path, *LONG)
        folder = wait_for_epochs(process, tmp_path, 2 + 2 * restarts)
        process.send_signal(number)
        finish(process, tmp_path)
        assert len(history(folder)) < 10
    # As if the killed process had been on another node, a moment ago.
    beat = {**read_json(folder, "heartbeat.json"), "host": "another-node"}
    (folder / "heartbeat.json").write_text(json.dumps(beat))
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    last = command(tmp_path, *LONG)
    assert last.code == 0, last.err
    assert_same_result(folder, run("undisturbed").folder)
    again = command(tmp_path, *LONG)  # a batch script starts from its first command
    assert again.code == 0, again.err
    assert "was finished before SLURM requeued the job" in again.out
    assert list(runs(tmp_path)) == [folder]
    assert len(read_json(folder, "run.json")["resumed"]) == 2

    monkeypatch.setenv("SLURM_JOB_ID", "4712")
    assert command(tmp_path, *LONG).code == 0  # another job has a run of its own
    assert len(runs(tmp_path)) == 2


def test_a_diverging_run_fails_and_says_why(run):
    done = run("diverged")
    assert done.code == 1
    assert "Traceback" not in done.err
    for line in ("Training failed", "NaN or infinity at epoch 1, step", "learning rate 1e+20",
                 "regularization.clip_norm=1"):  # fmt: skip
        assert line in done.err
    facts = read_json(done.folder, "run.json")
    assert facts["status"] == "failed"
    assert "NaN or infinity at epoch 1" in facts["reason"]
    assert facts["finished"] is not None
    log = (done.folder / "train.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "TrainingError" in log
    for absent in ("metrics.json", "model.keras", "predictions.npz"):
        assert not (done.folder / absent).exists()


def test_mixed_precision_trains_and_is_advised_against_where_the_processor_lacks_it(
    command, tmp_path
):
    done = command(tmp_path, "debug=smoke", "runtime.precision=mixed_bfloat16")
    assert done.code == 0, done.err
    advice = " ".join(done.out.split()).count("runtime.precision=float32 is faster here")
    assert advice == (0 if computes_in_bfloat16() else 1)
    with ZipFile(done.folder / "model.keras") as saved:
        policies = Counter(re.findall(rb'"mixed_bfloat16"|"float32"', saved.read("config.json")))
    assert policies[b'"mixed_bfloat16"'] >= 12, "the hidden layers do not compute in bfloat16"
    losses = [float(row["loss"]) for row in history(done.folder)]
    assert np.isfinite(losses).all()
    with np.load(done.folder / "predictions.npz") as arrays:
        sums = arrays["test_probabilities"].astype(np.float64).sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, atol=2e-3)


def test_an_epoch_on_the_real_data_ends_where_it_should(command, tmp_path):
    done = command(tmp_path, "train.epochs=1")
    assert done.code == 0, done.err
    facts = read_json(done.folder, "run.json")
    assert facts["data"]["sizes"] == {"train": 45_000, "validation": 5_000, "test": 10_000}
    metrics = read_json(done.folder, "metrics.json")
    assert 0.38 <= metrics["val_accuracy"] <= 0.46
    assert metrics["parameters"] == 1_750_346
