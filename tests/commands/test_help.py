"""`--help`, `--version`, `options`, `--cfg` and Tab: what explains the command itself."""

import os
import re
import shutil
import subprocess
import sys
from unittest.mock import patch

import pytest
import yaml
from real_command import environment

import mlptrain as package
from mlptrain.config.location import choices, groups, subcommands


def test_help_shows_examples_and_every_subcommand(mlptrain):
    outcome = mlptrain("--help")
    assert outcome.exit_code == 0
    assert "mlptrain optimizer=rmsprop model.dropout=0.3" in outcome.stdout
    for name in subcommands():
        assert f" {name} " in outcome.stdout


@pytest.mark.parametrize("name", subcommands())
def test_every_subcommand_has_a_help_page(name, mlptrain):
    outcome = mlptrain(name, "--help")
    assert outcome.exit_code == 0
    assert f"Usage: mlptrain {name}" in outcome.stdout


def test_help_works_after_overrides(mlptrain):
    assert "Usage: mlptrain train" in mlptrain("optimizer=sgd", "--help").stdout


def test_options_lists_every_group_and_choice(mlptrain):
    shown = mlptrain("options").stdout
    for group in groups():
        assert f"{group}=" in shown
        for choice in choices(group):
            assert choice in shown
    for key in ("train.epochs=30", "train.batch_size=64", "precision=float32", "threads=null"):
        assert key in shown


def test_options_lists_the_keys_of_training_alone(mlptrain):
    shown = mlptrain("options", "train").stdout
    assert "train.ema=0.0" in shown
    assert "rmsprop" not in shown


@pytest.mark.parametrize("group", ["initializer", "init"])
def test_options_lists_one_group(group, mlptrain):
    shown = mlptrain("options", group).stdout
    assert "glorot_uniform" in shown
    assert "rmsprop" not in shown


def test_the_module_is_the_command_and_its_version_names_what_can_change_a_result(real_mlptrain):
    outcome = real_mlptrain("--version")
    assert outcome.stdout.startswith(f"mlptrain {package.__version__}\n")
    assert outcome.stderr == ""
    names = {line.split()[0] for line in outcome.stdout.splitlines()}
    assert {"tensorflow", "keras", "numpy", "python"} <= names


def test_cfg_job_shows_the_config_from_any_directory(real_mlptrain, elsewhere):
    outcome = real_mlptrain("--cfg", "job", "init=zeros", "+experiment=flip_shift_cosine")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    config = yaml.safe_load(outcome.stdout)
    assert config["initializer"] == {"name": "zeros"}
    assert config["optimizer"]["name"] == "adamw"
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("--cfg=job train.epochs=3", "epochs: 3"),
        ("train -c job train.epochs=3", "epochs: 3"),
        ("-c job -p train train.epochs=3", "epochs: 3"),
        ("--cfg job model.dropout=7", "dropout: 7"),  # shown although it is wrong
    ],
)
def test_cfg_job_has_other_spellings_and_checks_nothing(line, shown, mlptrain):
    outcome = mlptrain(*line.split())
    assert outcome.exit_code == 0
    assert shown in outcome.stdout


OPTIONS_OF_HYDRA = {
    "--hydra-help": "Hydra",
    "--info plugins": "MlptrainSweeper",
    "--info defaults init=zeros": "initializer/zeros",
    "--cfg hydra --package hydra.launcher": "joblib",
}


def test_options_of_hydra_work(real_mlptrain, elsewhere):
    # In a process of their own, because Hydra configures logging here.
    program = (
        "import sys; from mlptrain.cli import run_command_line as run\n"
        "for line in sys.argv[1:]: print('exit code', run(line.split()), '<<<')"
    )
    outcome = real_mlptrain(*OPTIONS_OF_HYDRA, python=("-c", program))
    *outputs, _ = outcome.stdout.split("<<<")
    for output, shown in zip(outputs, OPTIONS_OF_HYDRA.values(), strict=True):
        assert shown in output
        assert output.endswith("exit code 0 ")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("line", ["--cfg job", "--cfg job -p nowhere", "-m"])
def test_hydra_leaves_the_process_as_it_was(line, mlptrain, monkeypatch):
    monkeypatch.setattr("mlptrain.sweeps.launching.launch", lambda *_: None)
    before = (dict(os.environ), list(sys.argv))
    mlptrain(*line.split(), "seed=3")
    assert (dict(os.environ), sys.argv) == before


@pytest.fixture
def completed(mlptrain):
    """Variables with which a shell asks for completion → what the command prints."""

    def call(shell, **variables):
        with patch.dict(os.environ, {"_MLPTRAIN_COMPLETE": shell, **variables}):
            outcome = mlptrain()
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        return outcome.stdout

    return call


@pytest.fixture
def offered(completed):
    """Words → what bash offers; it takes them apart at `=` and asks about the last one."""

    def call(*words):
        parts = [part for word in words for part in re.split("(=)", word) if part or word == ""]
        typed = {"COMP_WORDS": "\n".join(["mlptrain", *parts]), "COMP_CWORD": str(len(parts))}
        return completed("complete_bash", **typed).split()

    return call


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_prints_a_script(shell, completed):
    # What typer's --show-completion prints, without asking the parent process for its shell.
    assert "_MLPTRAIN_COMPLETE" in completed(f"source_{shell}")


def test_a_real_process_answers_the_shell(real_mlptrain):
    typed = {"COMP_WORDS": "mlptrain\noptimizer\n=\nada", "COMP_CWORD": "3"}
    outcome = real_mlptrain(_MLPTRAIN_COMPLETE="complete_bash", **typed)
    assert {"adam", "adamw"} <= set(outcome.stdout.split())


@pytest.mark.parametrize(
    ("typed", "some"),
    [
        (["optimizer="], {"adam", "rmsprop", "sgd"}),
        (["optimizer=ada"], {"adam", "adamw", "adagrad"}),
        (["-m", "activation=relu,ta"], {"relu,tanh"}),
        (["init=he_"], {"he_normal", "he_uniform"}),
        (["study=f"], {"full"}),
        (["seed=1", "mod"], {"model=mlp", "model=baseline"}),
        (["train.epo"], {"train.epochs=", "train.epochs=30"}),
        (["model."], {"model.dropout=", "model.hidden="}),
        (["plan", "schedule=co"], {"cosine", "constant"}),
        (["data", "sh"], {"show"}),
        (["options", "opt"], {"optimizer"}),
        (["search", ""], {"optimizers"}),
        ([""], {"optimizer=", "status", "report"}),
        (["o"], {"optimizer=", "options", "output_root="}),
        (["--ver"], {"--version"}),
    ],
)
def test_tab_offers_what_may_follow(typed, some, offered):
    listed = offered(*typed)
    assert some <= set(listed)
    last = typed[-1].rpartition("=")[2] if "=" in typed[-1] else typed[-1]
    assert all(word.startswith(last) for word in listed)


def test_tab_offers_run_folders_but_none_that_a_shell_could_evaluate(offered, elsewhere):
    for folder in ("a-run", "sweep/cell", "$(touch pwned)"):
        (elsewhere / "outputs" / folder).mkdir(parents=True)
        (elsewhere / "outputs" / folder / "run.json").write_text("{}")
    (elsewhere / "outputs" / "sweep" / "sweep.json").write_text("{}")
    listed = ["outputs/sweep/cell", "outputs/a-run"]
    assert offered("resume", "out") == listed
    assert offered("--like", "outputs/a") == listed[1:]
    assert offered("status", "") == ["outputs/sweep"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(completed, elsewhere):
    command = elsewhere / "bin" / "mlptrain"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlptrain "$@"\n')
    command.chmod(0o755)
    questions = "complete -C 'mlptrain optimizer=ada'; complete -C 'mlptrain sta'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"{completed('source_fish')}\n{questions}"],
        env={**environment(), "PATH": f"{command.parent}:{os.environ['PATH']}",
             "HOME": str(elsewhere)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )  # fmt: skip
    listed = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert {"optimizer=adam", "optimizer=adamw", "status"} <= set(listed), done.stderr
