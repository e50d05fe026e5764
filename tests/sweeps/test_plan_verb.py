"""`mlptrain plan`: says what a sweep would run, and writes nothing."""

import json

from mlptrain.sweeps.cells import plan_sweep


def write_cells(words, cwd, status):
    for cell in plan_sweep(words).cells:
        folder = cwd / "outputs" / "seed" / cell.folder_name
        folder.mkdir(parents=True)
        facts = {"status": status, "config_hash": cell.config_hash}
        (folder / "run.json").write_text(json.dumps(facts))


def test_a_plan_lists_the_cells_and_writes_nothing(mlptrain, elsewhere):
    outcome = mlptrain("plan", "activation=relu,tanh", "data=cifar10_mini", "train.epochs=2")
    assert outcome.exit_code == 0
    assert "2 listed, 2 distinct; 2 cells: 2 not started" in outcome.stdout
    assert "no time estimate: 2 of 2 cells are unlike any run" in outcome.stdout
    assert list(elsewhere.iterdir()) == []


def test_a_plan_of_a_study_prints_its_stages_and_merges_duplicates(mlptrain):
    outcome = mlptrain("plan", "study=full", "sweep.retry_failed=true")
    assert outcome.exit_code == 0
    assert "Baseline (1 listed): How far does a small net get" in outcome.stdout
    assert "21 listed, 18 distinct" in outcome.stdout


def test_the_title_of_a_study_of_ones_own_is_printed_as_it_is(mlptrain, elsewhere):
    content = "title: Widths [8, wide]\nquestion: 'Is [bold] better?'\ngrids: [{seed: [1, 2]}]\n"
    (elsewhere / "mine.yaml").write_text(content)
    outcome = mlptrain("plan", "study=./mine.yaml", "data=cifar10_mini")
    assert "Widths [8, wide] (2 listed): Is [bold] better?" in outcome.stdout, outcome.stderr


def test_failed_cells_are_planned_only_with_retry_failed(mlptrain, elsewhere):
    words = ["seed=1,2", "data=cifar10_mini", "train.epochs=1"]
    write_cells(words, elsewhere, "failed")
    printed = mlptrain("plan", *words).stdout
    assert "nothing left to train" in printed
    assert "sweep.retry_failed=true" in printed
    assert "at most 58 steps" in mlptrain("plan", *words, "sweep.retry_failed=true").stdout


def test_finished_cells_add_no_steps(mlptrain, elsewhere):
    words = ["seed=1,2", "data=cifar10_mini", "train.epochs=1"]
    before = mlptrain("plan", *words)
    write_cells(words, elsewhere, "finished")
    after = mlptrain("plan", *words)
    assert "nothing left to train" in after.stdout
    assert "2 cells: 2 done" in after.stdout
    assert "nothing left to train, in outputs/seed\n" in after.stdout
    elsewhere_done = mlptrain("plan", *words, "name=free").stdout
    assert "runs in outputs/seed; the sweep's folder is outputs/free\n" in elsewhere_done
    assert "at most 58 steps" in before.stdout
