"""Files of the user's own beside those of the package: the same schema, and no code."""

import json

import pytest
import yaml
from real_command import mlptrain_command

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.config.location import choices, listed_groups

HERE = ["--config-dir", "."]


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    """`--config-dir` is remembered for the rest of a process."""
    monkeypatch.setenv("MLPTRAIN_CONFIG_DIR", "")


@pytest.fixture
def write(elsewhere):
    def write(file, content):
        path = elsewhere / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))

    return write


def shown(outcome):
    assert outcome.exit_code == 0, outcome.stderr
    return yaml.safe_load(outcome.stdout)


# Each choice takes seconds, and own images need a path: one of each group.
COPIED = [f"{group}/{choices(group)[-1]}" for group in listed_groups() if group != "data"]


@pytest.mark.parametrize("choice", COPIED)
def test_a_copied_file_is_a_choice_that_gives_the_same(mlptrain, elsewhere, choice):
    group, _, name = choice.partition("/")
    outcome = mlptrain("options", "--copy", choice)
    assert f"wrote {group}/my_{name}.yaml" in outcome.stdout
    command = outcome.stdout.partition("next: mlptrain ")[2].split()
    if group == "search":
        assert command == ["search", f"search/my_{name}.yaml"]
    elif group == "study":
        assert mlptrain("plan", *command).exit_code == 0
    else:
        mine = shown(mlptrain("--cfg", "job", *command))
        assert mine == shown(mlptrain("--cfg", "job", f"{group}={name}"))
    assert mlptrain("options", "--copy", choice).exit_code == 2
    assert f"my_{name}" in mlptrain("options", group, "--config-dir", ".").stdout


def test_an_own_experiment_may_build_on_another_and_on_own_choices(mlptrain, write):
    write("optimizer/gentle.yaml", "defaults: [adam]\nlearning_rate: 1e-4\n")
    write("experiment/mine.yaml", {
        "defaults": ["fast", {"override /optimizer": "gentle"}, "_self_"],
        "train": {"epochs": 3},
    })  # fmt: skip
    config = shown(mlptrain(*HERE, "--cfg", "job", "experiment=mine", "augmentation=none"))
    assert (config["optimizer"]["name"], config["optimizer"]["learning_rate"]) == ("adam", 1e-4)
    assert (config["train"]["epochs"], config["model"]["name"]) == (3, "s2mlp")
    assert config["augmentation"]["shift"] == 0
    write("experiment/mine.yaml", {"defaults": ["fast"], "train": {"epochs": 4}})
    assert shown(mlptrain(*HERE, "--cfg", "job", "experiment=mine"))["train"]["epochs"] == 4


@pytest.mark.parametrize(
    ("content", "received"),
    [
        ({"model": {"dropuot": 0.1}}, "model.dropuot in the file of experiment=mine"),
        ({"train": {"epochs": 0}}, "train.epochs=0"),
        ({"defaults": [{"override /optimizer": "sdg"}]}, "optimizer=sdg in the file"),
        ({"defaults": [{"override /hydra/launcher": "basic"}]}, "hydra/launcher"),
        ({"defaults": ["mine"]}, "it includes itself"),
        ({"defaults": ["fats"]}, "experiment=fats in the file of experiment=mine"),
        ({"hydra": {"mode": "MULTIRUN"}}, "the key hydra"),
        ({"optimizer": {"_target_": "os.system"}}, "optimizer._target_"),
        ("a: [1\n", "line 2, column 1: expected ',' or ']', but got the end of the file"),
        ("- a", "whose file has a list"),
    ],
)
def test_what_is_wrong_in_an_own_experiment_is_said(mlptrain, write, content, received):
    write("experiment/mine.yaml", content)
    outcome = mlptrain(*HERE, "experiment=mine")
    assert outcome.exit_code == 2
    assert received in outcome.received


def test_an_own_file_does_not_hide_one_of_the_package(mlptrain, write):
    write("experiment/fast.yaml", {})
    outcome = mlptrain(*HERE, "experiment=fast")
    assert outcome.exit_code == 2
    assert "experiment/my_fast.yaml" in outcome.hint


@pytest.mark.slow
def test_a_sweep_and_a_study_train_with_own_files(write, elsewhere):
    small = {"data.limit": 100, "model.hidden": "[8]", "train.epochs": 1, "artifacts": "minimal"}
    write("experiment/mine.yaml", {"defaults": [{"override /data": "cifar10_mini"}],
                                   "optimizer": {"learning_rate": 0.01}})  # fmt: skip
    write("study/mine.yaml", {
        "title": "Mine", "question": "Which?",
        "grids": [{"experiment": "mine", "seed": [1, 2], **small}],
    })  # fmt: skip
    done = mlptrain_command(elsewhere, *HERE, "study=./study/mine.yaml")
    assert done.code == 0, done.err
    runs = [json.loads(f.read_text()) for f in (elsewhere / "outputs/mine").glob("*/run.json")]
    assert {run["config"]["seed"] for run in runs} == {1, 2}
    assert {run["config"]["optimizer"]["learning_rate"] for run in runs} == {0.01}
    assert "1 cell" not in done.out


def test_a_whole_config_in_a_file_is_a_base(mlptrain, elsewhere):
    outcome = mlptrain("--cfg", "job", "experiment=fast", "seed=7")
    (elsewhere / "mine.yaml").write_text(outcome.stdout)
    assert shown(mlptrain("--like", "mine.yaml", "--cfg", "job")) == shown(outcome)
    base = yaml.safe_load(outcome.stdout)
    again = compose(["optimizer=sgd"], base=base).config
    other = compose(["experiment=fast", "seed=7", "optimizer=sgd"]).config
    assert config_hash(again) == config_hash(other)


@pytest.mark.parametrize(
    "content", ["", "- a", "a: [", "a: &x 1\nb: *x", "seed: 1", "name: ${seed}"]
)
def test_a_file_that_is_no_whole_config_is_refused(mlptrain, elsewhere, content):
    (elsewhere / "mine.yaml").write_text(content)
    outcome = mlptrain("--like", "mine.yaml", "train.epochs=1")
    assert outcome.exit_code == 2
    assert "Traceback" not in outcome.stderr
