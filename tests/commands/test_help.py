import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import mlptrain as package
from mlptrain.config.location import choices, groups, subcommands


def test_help_shows_the_calls_and_every_verb(mlptrain):
    outcome = mlptrain("--help")
    assert outcome.exit_code == 0
    assert "mlptrain optimizer=rmsprop model.dropout=0.3" in outcome.stdout
    for verb in subcommands():
        assert f" {verb} " in outcome.stdout


@pytest.mark.parametrize("verb", subcommands())
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


@pytest.mark.parametrize("words", [["--cfg", "job"], ["--cfg", "job", "-p", "nowhere"], ["-m"]])
def test_hydra_leaves_the_process_as_it_was(words, mlptrain, monkeypatch):
    monkeypatch.setattr("mlptrain.sweeps.launching.launch", lambda *_: None)
    before = (dict(os.environ), list(sys.argv))
    mlptrain(*words, "seed=3")
    assert (dict(os.environ), sys.argv) == before


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_prints_a_script(shell, real_mlptrain):
    # What typer's --show-completion prints, without asking the parent process for its shell.
    outcome = real_mlptrain(_MLPTRAIN_COMPLETE=f"source_{shell}")
    assert "_MLPTRAIN_COMPLETE" in outcome.stdout
    assert outcome.stderr == ""


def offered(real_mlptrain, *typed):
    """What bash is offered; it takes words apart at `=` and asks about the last one."""
    words = [part for word in typed for part in re.split("(=)", word) if part or word == ""]
    outcome = real_mlptrain(
        _MLPTRAIN_COMPLETE="complete_bash",
        COMP_WORDS="\n".join(["mlptrain", *words]),
        COMP_CWORD=str(len(words)),
    )
    assert outcome.stderr == ""
    return outcome.stdout.split()


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
def test_tab_offers_what_may_follow(typed, some, real_mlptrain):
    listed = offered(real_mlptrain, *typed)
    assert some <= set(listed)
    last = typed[-1].rpartition("=")[2] if "=" in typed[-1] else typed[-1]
    assert all(word.startswith(last) for word in listed)


def test_tab_offers_run_folders_but_none_that_a_shell_could_evaluate(real_mlptrain, elsewhere):
    for folder in ("a-run", "sweep/cell", "$(touch pwned)"):
        (elsewhere / "outputs" / folder).mkdir(parents=True)
        (elsewhere / "outputs" / folder / "run.json").write_text("{}")
    (elsewhere / "outputs" / "sweep" / "sweep.json").write_text("{}")
    listed = ["outputs/sweep/cell", "outputs/a-run"]
    assert offered(real_mlptrain, "resume", "out") == listed
    assert offered(real_mlptrain, "--like", "outputs/a") == listed[1:]
    assert offered(real_mlptrain, "status", "") == ["outputs/sweep"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(real_mlptrain, elsewhere):
    command = elsewhere / "bin" / "mlptrain"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlptrain "$@"\n')
    command.chmod(0o755)
    script = real_mlptrain(_MLPTRAIN_COMPLETE="source_fish").stdout
    asked = "complete -C 'mlptrain optimizer=ada'; complete -C 'mlptrain sta'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"{script}\n{asked}"],
        env={**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}",
             "PYTHONPATH": str(Path(package.__file__).parents[1]), "HOME": str(elsewhere)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )  # fmt: skip
    listed = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert {"optimizer=adam", "optimizer=adamw", "status"} <= set(listed), done.stderr
