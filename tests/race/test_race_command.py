"""`mlptrain race` through the real command; a launcher of the tests' own leaves finished runs."""

import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from crafted import write_run
from hydra.core.plugins import Plugins

IMAGES = 200
MINI = ["data=cifar10_mini", "model.hidden=[4]", "train.epochs=1"]
WORDS = ["race", "activation=relu,tanh,gelu", *MINI]
ROOT = Path("outputs/race_activation")


class Launcher:
    """Leaves finished runs with the accuracies it is given, in percent, and counts them."""

    def __init__(self):
        self.accuracies = {"relu": 90, "tanh": 10, "gelu": 50}
        self.failing: set[tuple[str, int]] = set()
        self.dying_at: int | None = None
        self.trained: list[tuple[str, int]] = []

    def launch(self, jobs, initial_job_idx):
        for job in jobs:
            folder = Path(*(re.search(r"='(.*)'", word)[1] for word in job if "hydra.sw" in word))
            words = [w for w in job if not w.startswith(("hydra.", "runtime."))]
            settings = dict(word.split("=") for word in words)
            name, seed = settings["activation"], int(settings.get("seed", 42))
            if len(self.trained) == self.dying_at:
                raise KeyboardInterrupt
            self.trained.append((name, seed))
            if (name, seed) in self.failing:
                write_run(folder, *words, status="failed", reason="NaN or infinity in the loss")
            else:
                self.finish(folder, words, name, seed)
        return []

    def finish(self, folder, words, name, seed):
        random = np.random.default_rng(zlib.crc32(f"{name} {seed}".encode()))
        right = np.arange(IMAGES) < self.accuracies[name] * IMAGES / 100
        right ^= random.random(IMAGES) < 0.03
        write_run(folder, *words, val=float(right.mean()))
        labels = np.zeros(IMAGES, np.uint8)
        np.savez(
            folder / "predictions.npz",
            validation_probabilities=np.eye(10, dtype=np.float16)[np.where(right, 0, 1)],
            validation_labels=labels,
        )


@pytest.fixture
def launcher(monkeypatch):
    launcher = Launcher()
    monkeypatch.setattr(Plugins, "instantiate_launcher", lambda self, **_: launcher)
    monkeypatch.setenv("COLUMNS", "200")
    return launcher


def recorded(root=ROOT):
    return json.loads((root / "race.json").read_text())


def test_a_race_ends_with_the_best_and_every_command_says_why(launcher, mlptrain):
    outcome = mlptrain(*WORDS)
    assert outcome.exit_code == 0, outcome.stderr
    verdict = "relu is the best of 3 configurations on validation."
    assert verdict in outcome.stdout
    assert f"next: mlptrain report {ROOT}" in outcome.stdout
    assert re.search(r"dropped: tanh: worse than relu by \d\d\.\d points, at least", outcome.stdout)

    race, trained = recorded(), len(launcher.trained)
    assert (race["outcome"], race["verdict"], race["margin"]) == ("best", verdict, 0.5)
    seeds = [stage["seeds"] for stage in race["rounds"]]
    assert seeds == list(range(2, 2 + len(seeds)))
    dropped = {d["configuration"] for stage in race["rounds"] for d in stage["dropped"]}
    assert dropped == {"tanh", "gelu"}
    assert trained < 30
    assert {seed for name, seed in launcher.trained if name == "relu"} <= {42, *range(1, 10)}

    shown = mlptrain("status", str(ROOT)).stdout
    assert f"{trained} cells: {trained} done" in shown
    assert "round 1: 3 configurations, 2 seeds" in shown
    assert "tanh: worse than relu" in shown
    assert verdict in shown
    assert mlptrain("report", str(ROOT), "--json", "report.json").exit_code == 0
    assert json.loads(Path("report.json").read_text())["sweeps"][0]["race"]["verdict"] == verdict
    assert "worse than relu by" in Path("report.html").read_text()

    planned = mlptrain("plan", *WORDS[1:], "--margin", "2").stdout
    assert re.search(r"resolve 2 points between 3 configurations: \d+, \d+ runs \(SD", planned)
    assert re.search(r"points, from \d of them\)", planned)

    again = mlptrain(*WORDS)
    assert (again.exit_code, len(launcher.trained)) == (0, trained)
    assert recorded() == race
    # A plain sweep shares the runs, and one that has them all leaves a race nothing to train.
    assert mlptrain("-m", *WORDS[1:], "seed=42,1").exit_code == 0
    assert len(launcher.trained) == trained


def test_the_same_command_resumes_an_interrupted_race_to_the_same_verdict(launcher, mlptrain):
    launcher.dying_at = 7
    assert mlptrain(*WORDS).exit_code == 130
    assert recorded()["outcome"] is None
    assert "The race is not over" in mlptrain("status", str(ROOT)).stdout
    launcher.dying_at = None
    assert mlptrain(*WORDS).exit_code == 0
    assert len(set(launcher.trained)) == len(launcher.trained)
    resumed = recorded()
    assert mlptrain(*WORDS, "name=undisturbed", "output_root=other").exit_code == 0
    undisturbed = recorded(Path("other/undisturbed"))
    assert [undisturbed[key] for key in ("rounds", "verdict")] == [
        resumed["rounds"],
        resumed["verdict"],
    ]


def test_what_cannot_be_decided_is_said_and_more_seeds_resume_it(launcher, mlptrain):
    launcher.accuracies = {"relu": 60, "tanh": 60, "gelu": 60}
    outcome = mlptrain(*WORDS, "--max-seeds", "3")
    assert outcome.exit_code == 0
    assert "Not decided after 3 seeds (--max-seeds 3): " in outcome.stdout
    assert "None of those left is better than " in outcome.stdout
    trained = len(launcher.trained)
    assert mlptrain(*WORDS, "--max-seeds", "20", "--margin", "10").exit_code == 0
    assert recorded()["verdict"].startswith("Tied within 10 points on validation: ")
    assert len(launcher.trained) >= trained


def test_a_configuration_with_a_failed_run_leaves_the_race_and_the_command_fails(
    launcher, mlptrain
):
    launcher.failing = {("gelu", 1)}
    outcome = mlptrain(*WORDS)
    assert outcome.exit_code == 1
    assert "dropped: gelu: its run with seed 1 failed: NaN or infinity" in outcome.stdout
    assert "relu is the best of 3 configurations" in outcome.stdout
    assert "1 of 8 cells" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "received"),
    [
        (["race", *MINI], "one configuration"),
        (["plan", *WORDS[1:], "--margin", "0"], "0"),
        (["race", "activation=relu", "seed=1,2", *MINI], "seed=1,2"),
        ([*WORDS, "seed=range(1,4)"], "seed=range(1,4)"),
        ([*WORDS, "--margin", "0"], "0"),
        ([*WORDS, "--margin", "100"], "100"),
        ([*WORDS, "--margin", "nan"], "nan"),
        ([*WORDS, "--max-seeds", "1"], "1"),
        ([*WORDS, "--budget", "soon"], "soon"),
        ([*WORDS, "--budget", "0h"], "0h"),
        ([*WORDS, "--budget", "1s"], "--budget of 1"),
        ([*WORDS, "--cfg", "job"], "--cfg"),
        ([*WORDS, "data.validation_fraction=0"], "data.validation_fraction=0.0"),
        ([*WORDS, "data.limit=100,200"], "settings of data that differ between them"),
        ([*WORDS, "activaton=relu"], "activaton"),
    ],
)
def test_a_race_that_cannot_be_run_is_refused_before_anything_is_written(
    words, received, launcher, mlptrain, assert_refused
):
    outcome = mlptrain(*words)
    assert_refused(outcome)
    assert received in outcome.received
    assert launcher.trained == []


def test_a_budget_that_is_shorter_than_the_first_round_is_refused(launcher, mlptrain, monkeypatch):
    monkeypatch.setattr("mlptrain.sweeps.estimate.Estimator.seconds", lambda self, config: 600.0)
    outcome = mlptrain(*WORDS, "--budget", "5m")
    assert outcome.exit_code == 2
    assert "--budget of 5 min 00 s" in outcome.received
    assert launcher.trained == []


def test_a_round_that_does_not_fit_into_the_budget_is_not_started(launcher, mlptrain, monkeypatch):
    launcher.accuracies = {"relu": 60, "tanh": 60, "gelu": 60}
    monkeypatch.setattr(
        "mlptrain.sweeps.estimate.Estimator.seconds",
        lambda self, config: 1.0 if config.seed in (42, 1) else 1e6,
    )
    outcome = mlptrain(*WORDS, "--budget", "1h")
    assert outcome.exit_code == 0
    assert "Not decided after 2 seeds (--budget 1 h 00 min)" in outcome.stdout
    assert len(launcher.trained) == 6
    assert recorded()["rounds"][-1]["seeds"] == 2
