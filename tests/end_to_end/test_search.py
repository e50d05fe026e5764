"""Searches by the real command: trials are runs, nothing is lost, Optuna's own tools read on."""

import json
import time

import optuna
import psutil
import pytest
import yaml
from optuna.trial import TrialState
from real_command import MINI, finish, start

pytestmark = pytest.mark.slow

SPACE = {
    "settings": [
        "model.hidden=[16]",
        "callbacks=none",
        "artifacts=minimal",
        "train.epochs=5",
        "instruments=off",
    ],
    "space": {
        "optimizer": {"choices": ["adam", "sgd"]},
        "optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    },
    "trials": 6,
    "sampler": "tpe",
    "pruner": "hyperband",
}


@pytest.fixture
def space(tmp_path):
    """Writes a search with some changes; returns its path."""

    def write(**changes):
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({**SPACE, **changes}))
        return str(path)

    return write


def opened(tmp_path):
    """The study as any user of Optuna opens it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = optuna.storages.journal.JournalFileBackend(
        str(tmp_path / "outputs" / "search_mine" / "optuna.journal")
    )
    return optuna.load_study(
        study_name="search_mine", storage=optuna.storages.JournalStorage(backend)
    )


def runs_of(tmp_path):
    files = (tmp_path / "outputs" / "search_mine").glob("*/run.json")
    return {path.parent.name: json.loads(path.read_text()) for path in files}


def test_trials_are_runs_and_the_search_continues_only_as_it_began(space, command, tmp_path):
    words = ["search", space(), MINI, "--workers", "2"]
    done = command(tmp_path, *words)
    assert done.code == 0, done.err
    study, runs = opened(tmp_path), runs_of(tmp_path)
    assert len(study.trials) == 6
    for trial in study.trials:
        run = runs[trial.user_attrs["folder"]]
        if trial.state == TrialState.COMPLETE:
            folder = tmp_path / "outputs" / "search_mine" / trial.user_attrs["folder"]
            metrics = json.loads((folder / "metrics.json").read_text())
            assert (run["status"], trial.value) == ("finished", metrics["val_accuracy"])
            assert len(trial.intermediate_values) == 5
        else:
            assert trial.state == TrialState.PRUNED
            assert run["status"] == "interrupted"
            assert "pruned by the search" in run["reason"]
    assert any(trial.state == TrialState.COMPLETE for trial in study.trials)
    refused = command(tmp_path, *words, "model.dropout=0.1", "--trials", "7")
    assert (refused.code, refused.out) == (2, "")
    assert "model.dropout=0.1" in refused.err
    assert "name=OTHER" in refused.err
    listed = command(tmp_path, "runs", "outputs", "--format", "json")
    assert {row["run"] for row in json.loads(listed.out)} >= set(runs)

    again = command(tmp_path, *words)
    assert again.code == 0, again.err
    assert len(opened(tmp_path).trials) == 6
    more = command(tmp_path, *words, "--trials", "7", "--workers", "1")
    assert more.code == 0, more.err
    assert len(opened(tmp_path).trials) == 7
    threads = {run["machine"]["threads"] for run in runs_of(tmp_path).values()}
    assert len(threads) == 1  # chosen once


def test_a_killed_search_goes_on_with_its_trials(space, tmp_path, command):
    words = ["search", space(settings=[*SPACE["settings"], "train.epochs=30"]), MINI]
    words += ["--trials", "3", "--workers", "2"]
    search = start(tmp_path, *words)
    root = tmp_path / "outputs" / "search_mine"
    until(lambda: any(len(p.read_text().splitlines()) > 3 for p in root.glob("*/history.csv")))
    for process in (*psutil.Process(search.pid).children(recursive=True), search):
        process.kill()
    finish(search, tmp_path)
    begun = {trial.number for trial in opened(tmp_path).trials}
    done = command(tmp_path, *words, "--workers", "1")
    assert done.code == 0, done.err
    study = opened(tmp_path)
    continued = {trial.user_attrs.get("continues") for trial in study.trials} - {None}
    assert continued
    assert continued <= begun
    folders = {
        trial.user_attrs["folder"] for trial in study.trials if trial.number not in continued
    }
    runs = runs_of(tmp_path)
    assert set(runs) == folders
    assert len(folders) == 3
    assert any(run["resumed"] for run in runs.values())
    assert {run["status"] for run in runs.values()} <= {"finished", "interrupted"}


def test_the_same_settings_are_trained_once_however_many_workers_have_them(
    space, command, tmp_path
):
    one = space(space={"optimizer": {"choices": ["adam"]}}, pruner="none", trials=3)
    done = command(tmp_path, "search", one, MINI, "--workers", "2")
    assert done.code == 0, done.err
    trials = opened(tmp_path).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    assert len({trial.value for trial in trials}) == 1
    (run,) = runs_of(tmp_path).values()
    assert (run["status"], run["resumed"]) == ("finished", [])


def test_failed_trials_count_as_failed_and_stop_nothing(space, command, tmp_path):
    rates = {"low": 1e-3, "high": 1e30, "log": True}
    wild = space(space={"optimizer.learning_rate": rates}, sampler="random", pruner="none")
    done = command(tmp_path, "search", wild, MINI, "optimizer=sgd", "--workers", "1")
    assert done.code == 0, done.err
    states = [trial.state for trial in opened(tmp_path).trials]
    assert len(states) == 6
    assert TrialState.FAIL in states
    failed = [t for t in opened(tmp_path).trials if t.state == TrialState.FAIL]
    assert all("NaN" in trial.user_attrs["reason"] for trial in failed)
    statuses = [run["status"] for run in runs_of(tmp_path).values()]
    assert statuses.count("failed") == len(failed)


def test_what_cannot_be_searched_is_refused_before_anything_is_trained(space, command, tmp_path):
    path = space()
    for words, listed in (
        ([path, "optimizer=adam,sgd"], "one value for optimizer"),
        ([path, "optimizer=adma"], "optimizer=adam"),
        ([path, "data.validation_fraction=0"], "validation split"),
        ([path, "optimizer=adam", "optimizer.learning_rate=0.1"], "at least one key to search"),
        (["optimizer"], "optimizers"),
        ([path, "--trials", "0"], "--trials"),
        ([path, "hydra.launcher.n_jobs=1"], "--workers N"),
        ([path, MINI, "output_root=/dev/null"], "output_root=PATH"),
    ):
        done = command(tmp_path, "search", *words)
        assert (done.code, done.out) == (2, ""), words
        assert listed in done.err
    assert not (tmp_path / "outputs").exists()


def until(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
