"""What a person reads: counts agree with their nouns, and advice can be followed."""

import pytest
from crafted import facts, read_hash, write_run, write_sweep

EVERY_READER = ["resume", "--like", "evaluate", "explain", "diff", "predict"]


@pytest.mark.parametrize("command", EVERY_READER)
def test_a_missing_run_is_said_to_be_missing_and_not_recommended(mlptrain, elsewhere, command):
    more = {"diff": ["outputs/latest"], "predict": ["cat.png"]}.get(command, [])
    outcome = mlptrain(command, "outputs/latest", *more)
    assert outcome.exit_code == 2
    assert "received: outputs/latest, which is missing" in outcome.stderr
    assert "outputs/latest" not in outcome.stderr.partition("to do:")[2]


def test_the_folder_of_a_sweep_is_called_one_where_a_run_belongs(mlptrain, elsewhere):
    (elsewhere / "sweep").mkdir()
    write_sweep(elsewhere / "sweep", [])
    outcome = mlptrain("resume", "sweep")
    assert "received: sweep, which is the folder of a sweep" in outcome.stderr
    assert "mlptrain runs" in outcome.stderr


@pytest.mark.parametrize(
    ("status", "alive", "summary", "advice"),
    [
        ("running", False, "stale", "mlptrain resume 'my run'"),
        ("interrupted", False, "interrupted", "mlptrain resume 'my run'"),
        ("failed", False, "failed", "mlptrain resume 'my run'"),
        ("running", True, "running", "wait"),
    ],
)
def test_evaluate_says_of_an_unfinished_run_what_runs_says_and_how_to_finish_it(
    mlptrain, elsewhere, status, alive, summary, advice
):
    write_run(elsewhere / "my run", status=status, alive=alive)
    outcome = mlptrain("evaluate", "my run")
    assert outcome.exit_code == 2
    assert f"received: my run, which is {summary}" in outcome.stderr
    assert advice in outcome.stderr


def test_a_run_without_its_model_is_refused_with_the_command_that_keeps_one(mlptrain, elsewhere):
    config = {**facts()["config"], "artifacts": "minimal"}
    write_run(elsewhere / "my run", config=config)
    outcome = mlptrain("evaluate", "my run")
    assert outcome.exit_code == 2
    assert "artifacts=minimal" in outcome.stderr
    assert "mlptrain --like 'my run' artifacts=full" in outcome.stderr


def test_the_star_is_explained_only_where_a_line_has_one(mlptrain):
    for group in ("activation", "debug", "experiment", "optimizer", "study"):
        lines = mlptrain("options", group).stdout.splitlines()
        starred = any(" * " in line for line in lines)
        assert ("* default" in lines) is starred, group


def test_an_error_of_the_only_cell_names_no_cell(mlptrain, elsewhere):
    assert "cell" not in mlptrain("plan", "model.dropout=2").stderr
    assert "in cell model.dropout=2" in mlptrain("plan", "model.dropout=0,2").stderr


def test_one_is_not_said_in_the_plural(mlptrain, elsewhere):
    overrides = ("data=cifar10_mini", "seed=1")
    sweep = elsewhere / "outputs" / "my sweep"
    run = write_run(sweep / "b", *overrides, status="failed")
    identity = read_hash(run)
    run.rename(sweep / f"a-{identity[:8]}")
    write_run(sweep / "c", *overrides, "optimizer=sgd")
    write_sweep(sweep, [(identity, "a", [0])])
    assert "1 cell: 1 not started" in mlptrain("plan", *overrides).stdout
    status = mlptrain("status", "outputs/my sweep").stdout
    assert "1 cell: 1 failed" in status
    assert "1 run that no command asks for any more" in status
    assert "mlptrain status 'outputs/my sweep' --prune" in status


def test_an_unknown_key_of_a_run_is_named_with_the_keys_that_exist(mlptrain, elsewhere):
    content = facts()["config"]
    content["model"]["blocks"] = 3
    write_run(elsewhere / "old", config=content)
    error = mlptrain("--like", "old").stderr
    assert "expected: a key of model: " in error
    assert "received: model.blocks=3" in error
