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
    "halving": True,
}


@pytest.fixture
def space(tmp_path):
    """Writes a search with some changes; returns its path."""

    def write(**changes):
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({**SPACE, **changes}))
        return str(path)

    return write


def opened(tmp_path, name="search_mine"):
    """The study as any user of Optuna opens it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = optuna.storages.journal.JournalFileBackend(
        str(tmp_path / "outputs" / name / "optuna.journal")
    )
    return optuna.load_study(study_name=name, storage=optuna.storages.JournalStorage(backend))


def latest_trials(tmp_path):
    """The trials of the study that no later one resumed."""
    trials = opened(tmp_path).trials
    resumed = {trial.user_attrs.get("continues") for trial in trials}
    return [trial for trial in trials if trial.number not in resumed]


def runs_of(tmp_path, name="search_mine"):
    files = (tmp_path / "outputs" / name).glob("*/run.json")
    return {path.parent.name: json.loads(path.read_text()) for path in files}


def test_trials_are_runs_and_the_search_continues_only_as_it_began(space, command, tmp_path):
    words = ["search", space(), MINI, "--workers", "2"]
    done = command(tmp_path, *words)
    assert done.code == 0, done.err
    trials, runs = latest_trials(tmp_path), runs_of(tmp_path)
    assert {trial.user_attrs["folder"] for trial in trials} == set(runs)
    assert len(runs) == 6
    for trial in trials:
        run = runs[trial.user_attrs["folder"]]
        if trial.state == TrialState.COMPLETE:
            folder = tmp_path / "outputs" / "search_mine" / trial.user_attrs["folder"]
            metrics = json.loads((folder / "metrics.json").read_text())
            assert (run["status"], trial.value) == ("finished", metrics["val_accuracy"])
            assert list(trial.intermediate_values) == [1, 2, 3, 4, 5]
        else:
            assert trial.state == TrialState.PRUNED
            assert run["status"] == "interrupted"
            assert run["reason"] == f"paused by the search after epoch {trial.last_step}"
            assert trial.last_step in (1, 2)
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert 1 <= len(finished) <= 2
    for trial in finished:
        assert f": outputs/search_mine/{trial.user_attrs['folder']}\n" in done.out
    assert max(t.intermediate_values[1] for t in trials) in (
        t.intermediate_values[1] for t in trials if t.last_step > 1
    )
    refused = command(tmp_path, *words, "model.dropout=0.1", "--trials", "7")
    assert (refused.code, refused.out) == (2, "")
    assert "model.dropout=0.1" in refused.err
    assert "name=OTHER" in refused.err
    listed = command(tmp_path, "runs", "outputs", "--format", "json")
    assert {row["run"] for row in json.loads(listed.out)} >= set(runs)

    again = command(tmp_path, *words)
    assert again.code == 0, again.err
    assert runs_of(tmp_path) == runs
    more = command(tmp_path, *words, "--trials", "10", "--workers", "1")
    assert more.code == 0, more.err
    assert len(runs_of(tmp_path)) == 10
    threads = {run["machine"]["threads"] for run in runs_of(tmp_path).values()}
    assert len(threads) == 1  # chosen once

    mattered = command(tmp_path, *words, "--importance", "--format", "json")
    assert mattered.code == 0, mattered.err
    importances = {each["setting"]: each["trials"] for each in json.loads(mattered.out)}
    assert importances == {"optimizer": 10, "optimizer.learning_rate": 10}

    # Another search of the same space begins with the finished runs, also of another seed.
    known = {trial.value for trial in latest_trials(tmp_path) if trial.state == TrialState.COMPLETE}
    other = command(tmp_path, *words, "name=other", "seed=7", "--trials", "1", "--workers", "1")
    assert other.code == 0, other.err
    begun = [trial for trial in opened(tmp_path, "other").trials if "known" in trial.user_attrs]
    assert {trial.value for trial in begun} == known
    assert all(list(trial.intermediate_values) == [1, 2, 3, 4, 5] for trial in begun)
    assert len(runs_of(tmp_path, "other")) == 1


def test_a_killed_search_goes_on_with_its_trials(space, tmp_path, command):
    words = ["search", space(settings=[*SPACE["settings"], "train.epochs=30"]), MINI]
    words += ["--trials", "3", "--workers", "2"]
    search = start(tmp_path, *words)
    root = tmp_path / "outputs" / "search_mine"
    until(lambda: any(len(p.read_text().splitlines()) > 3 for p in root.glob("*/history.csv")))
    for process in (*psutil.Process(search.pid).children(recursive=True), search):
        process.kill()
    finish(search, tmp_path)
    states = {trial.number: trial.state for trial in opened(tmp_path).trials}
    killed = {number for number, state in states.items() if state == TrialState.RUNNING}
    assert killed
    done = command(tmp_path, *words, "--workers", "1")
    assert done.code == 0, done.err
    trials = latest_trials(tmp_path)
    assert not killed & {trial.number for trial in trials}
    runs = runs_of(tmp_path)
    assert set(runs) == {trial.user_attrs["folder"] for trial in trials}
    assert len(runs) == 3
    assert any(run["resumed"] for run in runs.values())
    assert {run["status"] for run in runs.values()} == {"finished", "interrupted"}
    for trial in trials:  # no epoch is missing, none was trained twice
        epochs = [*range(1, trial.last_step + 1)]
        history = (root / trial.user_attrs["folder"] / "history.csv").read_text().splitlines()
        assert sorted(trial.intermediate_values) == epochs
        assert [int(row.split(",")[0]) for row in history[1:]] == epochs


def test_the_same_settings_are_trained_once_however_many_workers_have_them(
    space, command, tmp_path
):
    one = space(space={"optimizer": {"choices": ["adam"]}}, halving=False, trials=3)
    done = command(tmp_path, "search", one, MINI, "--workers", "2")
    assert done.code == 0, done.err
    trials = opened(tmp_path).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    assert len({trial.value for trial in trials}) == 1
    (run,) = runs_of(tmp_path).values()
    assert (run["status"], run["resumed"]) == ("finished", [])


def test_failed_trials_count_as_failed_and_stop_nothing(space, command, tmp_path):
    rates = {"low": 1e-3, "high": 1e30, "log": True}
    wild = space(space={"optimizer.learning_rate": rates}, sampler="random", halving=False)
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
        ([path, "--budget", "0"], "--budget"),
        ([path, "--importance"], "at least 10 trials"),
        ([path, "--budget", "4"], "--budget 30, or fewer epochs: train.epochs=1"),
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
