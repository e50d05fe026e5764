import pytest
import yaml

import mlptrain as package
from mlptrain.config.location import choices, groups
from mlptrain.verbs import VERBS


def test_help_shows_the_calls_and_every_verb(mlptrain):
    outcome = mlptrain("--help")
    assert outcome.exit_code == 0
    assert "mlptrain optimizer=rmsprop model.dropout=0.3" in outcome.stdout
    for verb in VERBS:
        assert f" {verb} " in outcome.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_page(verb, mlptrain):
    outcome = mlptrain(verb, "--help")
    assert outcome.exit_code == 0
    assert f"Usage: mlptrain {verb}" in outcome.stdout


def test_help_works_after_overrides(mlptrain):
    assert "Usage: mlptrain train" in mlptrain("optimizer=sgd", "--help").stdout


def test_version_names_what_can_change_a_result(mlptrain):
    names = [line.split()[0] for line in mlptrain("--version").stdout.splitlines()]
    assert names[0] == "mlptrain"
    assert {"tensorflow", "keras", "numpy", "python"} <= set(names)


def test_options_lists_every_group_and_choice(mlptrain):
    shown = mlptrain("options").stdout
    for group in groups():
        assert f"{group}=" in shown
        for choice in choices(group):
            assert choice in shown


@pytest.mark.parametrize("group", ["initializer", "init"])
def test_options_lists_one_group(group, mlptrain):
    shown = mlptrain("options", group).stdout
    assert "glorot_uniform" in shown
    assert "rmsprop" not in shown


def test_python_m_mlptrain_is_the_same_command(real_mlptrain):
    outcome = real_mlptrain("--version")
    assert outcome.stdout.startswith(f"mlptrain {package.__version__}\n")
    assert outcome.stderr == ""


def test_cfg_job_shows_the_config_from_any_directory(real_mlptrain, elsewhere):
    outcome = real_mlptrain("--cfg", "job", "init=zeros", "+experiment=flip_shift_cosine")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    config = yaml.safe_load(outcome.stdout)
    assert config["initializer"] == {"name": "zeros"}
    assert config["optimizer"]["name"] == "adamw"
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("words", [["--cfg=job"], ["train", "-c", "job"], ["-c", "job", "-p", "_"]])
def test_cfg_job_in_its_other_spellings(words, mlptrain):
    words = [*words[:-2], "-p", "train"] if words[-1] == "_" else words
    outcome = mlptrain(*words, "train.epochs=3")
    assert outcome.exit_code == 0
    assert "epochs: 3" in outcome.stdout


def test_cfg_job_shows_a_wrong_value_too(mlptrain):
    assert "dropout: 7" in mlptrain("--cfg", "job", "model.dropout=7").stdout


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--hydra-help"], "Hydra"),
        (["--info", "plugins"], "MlptrainSweeper"),
        (["--info", "defaults", "init=zeros"], "initializer/zeros"),
        (["--cfg", "hydra", "--package", "hydra.launcher"], "joblib"),
    ],
)
def test_options_of_hydra_work(words, shown, real_mlptrain, elsewhere):
    outcome = real_mlptrain(*words)
    assert outcome.exit_code == 0, outcome.stderr
    assert shown in outcome.stdout
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_prints_a_script(shell, real_mlptrain):
    # What typer's --show-completion prints, without asking the parent process for its shell.
    outcome = real_mlptrain(_MLPTRAIN_COMPLETE=f"source_{shell}")
    assert "_MLPTRAIN_COMPLETE" in outcome.stdout
    assert outcome.stderr == ""


def test_completion_knows_the_verbs(real_mlptrain):
    outcome = real_mlptrain(
        _MLPTRAIN_COMPLETE="complete_bash", COMP_WORDS="mlptrain o", COMP_CWORD="1"
    )
    assert outcome.stdout.split() == ["options"]
