"""`mlptrain remove` and `mlptrain rename`: what goes, what stays, and what refers to it."""

import io
import json
import sys

import pytest
from crafted import TINY, read_hash, write_run, write_sweep
from filelock import FileLock

from mlptrain.store.sweep_file import load

EARLY, LATE = "2026-02-01T00:00:00+00:00", "2026-02-02T00:00:00+00:00"


@pytest.fixture
def outputs(elsewhere):
    """Two single runs, the newer of which is the latest, and a sweep that also counts one."""
    root = elsewhere / "outputs"
    early = write_run(root / "early", *TINY, started=EARLY)
    write_run(root / "late", *TINY, "seed=1", started=LATE)
    (root / "latest").symlink_to("late", target_is_directory=True)
    cells = [write_run(root / "sweep" / f"seed={n}", *TINY, f"seed={n}") for n in (2, 3)]
    commands = [["mlptrain", "-m", "seed=2,3,42"], ["mlptrain", "-m", "name=sweep", "seed=2"]]
    requested = [(cells[0], [0, 1]), (cells[1], [0]), (early, [0])]
    listed = [(read_hash(run), run.name, numbers) for run, numbers in requested]
    write_sweep(root / "sweep", listed, commands=commands)
    (root / "sweep" / "summary.csv").write_text("of three runs")
    return root


@pytest.fixture
def answer(monkeypatch):
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def listed(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize("words", [("remove", "outputs/late"), ("rename", "outputs/late", "new")])
@pytest.mark.parametrize("text", ["n\n", "\n", ""])
def test_nothing_changes_unless_the_answer_is_yes(outputs, mlptrain, answer, words, text):
    before = listed(outputs)
    answer(text)
    outcome = mlptrain(*words)
    assert outcome.exit_code == (0 if text else 130)  # the end of the input is like Ctrl-C
    assert ("--yes confirms" in outcome.stderr) is (not text)
    assert "run outputs/late" in outcome.stdout or "outputs/late to outputs/new" in outcome.stdout
    assert listed(outputs) == before


def test_a_run_is_removed_and_latest_points_to_the_newest_that_is_left(outputs, mlptrain, answer):
    answer("y\n")
    assert mlptrain("remove", "outputs/latest").exit_code == 0
    assert not (outputs / "late").exists()
    assert (outputs / "latest").resolve() == outputs / "early"
    assert mlptrain("remove", "outputs/early", "--yes").exit_code == 0
    assert not (outputs / "latest").is_symlink()


def test_a_removed_cell_is_trained_again_and_leaves_the_summary(outputs, mlptrain):
    outcome = mlptrain("remove", "outputs/sweep/seed=2", "-y")
    assert "outputs/sweep counts it, and would train it again" in outcome.stdout
    assert len((outputs / "sweep" / "summary.csv").read_text().splitlines()) == 2
    shown = mlptrain("status", "outputs/sweep").stdout
    assert "3 cells: 2 done, 1 not started" in shown
    assert "mlptrain -m name=sweep seed=2\n" in shown


def test_a_removed_run_that_a_sweep_counts_is_named_first(outputs, mlptrain, answer):
    answer("n\n")
    assert "outputs/sweep counts it" in mlptrain("remove", "outputs/early").stdout
    assert "counts it" not in mlptrain("remove", "outputs/late", "--yes").stdout


def test_a_sweep_is_removed_with_its_runs_and_nothing_beside_it(outputs, mlptrain):
    outcome = mlptrain("remove", "outputs/sweep", "--yes")
    assert "sweep outputs/sweep (2 runs, " in outcome.stdout
    assert "1 folder removed" in outcome.stdout
    assert sorted(path.name for path in outputs.iterdir()) == ["early", "late", "latest"]


def test_files_of_the_user_stay(outputs, mlptrain):
    (outputs / "sweep" / "notes.txt").write_text("mine")
    (outputs / "sweep" / "seed=2" / "figures").mkdir()
    (outputs / "sweep" / "not a run").mkdir()
    nested = write_run(outputs / "late" / "nested", *TINY)
    outcome = mlptrain("remove", "outputs/sweep", "outputs/late", "--yes")
    assert "outputs/sweep keeps the files that mlptrain did not write" in outcome.stdout
    assert listed(outputs / "sweep") == ["not a run", "notes.txt", "seed=2", "seed=2/figures"]
    assert nested.is_dir()
    assert listed(outputs / "late") == ["nested", "nested/metrics.json", "nested/run.json"]


def test_a_link_inside_a_run_is_removed_and_not_followed(outputs, elsewhere, mlptrain):
    (elsewhere / "mine").mkdir()
    (elsewhere / "mine" / "file").write_text("mine")
    (outputs / "late" / "tensorboard").symlink_to(elsewhere / "mine", target_is_directory=True)
    assert mlptrain("remove", "outputs/late", "--yes").exit_code == 0
    assert (elsewhere / "mine" / "file").read_text() == "mine"
    assert not (outputs / "late").exists()


@pytest.mark.parametrize(
    "path", ["outputs", "elsewhere", "outputs/nothing", "~nobody_of_this_name", "x" * 300, "", "."]
)
@pytest.mark.parametrize("words", [("remove", "outputs/early"), ("rename",)])
def test_what_is_no_run_is_refused_and_all_stays(outputs, elsewhere, mlptrain, words, path):
    (elsewhere / "elsewhere").mkdir()
    before = listed(elsewhere)
    name = ["new"] * (words[0] == "rename")
    outcome = mlptrain(*words, path, *name, "--yes")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert listed(elsewhere) == before


@pytest.mark.parametrize("words", [("remove",), ("rename",)])
def test_what_is_being_trained_is_refused(outputs, mlptrain, words):
    name = ["new"] * (words[0] == "rename")
    write_run(outputs / "busy", *TINY, "seed=8", status="running", finished=None)
    write_run(outputs / "sweep" / "seed=9", *TINY, "seed=9", status="running", finished=None)
    for path, busy in [("outputs/busy", "busy"), ("outputs/sweep", "sweep/seed=9")]:
        before = listed(outputs)
        outcome = mlptrain(*words, path, *name, "--yes")
        assert outcome.exit_code == 2
        assert f"outputs/{busy}, which a process is training" in outcome.received
        assert listed(outputs) == before


@pytest.mark.parametrize("words", [("remove",), ("rename",)])
def test_a_stopped_process_keeps_its_run(outputs, mlptrain, words):
    name = ["new"] * (words[0] == "rename")
    run = write_run(outputs / "stale", *TINY, status="running", finished=None, alive=False)
    with FileLock(run / ".claim"):
        assert mlptrain(*words, "outputs/stale", *name, "--yes").exit_code == 2
    assert run.is_dir()
    assert mlptrain(*words, "outputs/stale", *name, "--yes").exit_code == 0
    assert not run.exists()


def test_a_trial_goes_only_with_its_search(outputs, mlptrain):
    trial = write_run(outputs / "search" / "trial", *TINY, "seed=5")
    (outputs / "search" / "optuna.journal").write_text("")
    outcome = mlptrain("remove", "outputs/search/trial", "--yes")
    assert outcome.exit_code == 2
    assert outcome.hint == "remove the whole search: mlptrain remove outputs/search"
    assert trial.is_dir()
    assert mlptrain("rename", "outputs/search", "other", "--yes").exit_code == 2
    assert mlptrain("remove", "outputs/search", "--yes").exit_code == 0
    assert not (outputs / "search").exists()


def test_a_run_is_renamed_and_latest_follows(outputs, mlptrain, answer):
    answer("y\n")
    assert mlptrain("rename", "outputs/latest", "my_run").exit_code == 0
    assert (outputs / "latest").resolve() == outputs / "my_run"
    assert json.loads((outputs / "my_run" / "run.json").read_text())["run_id"] == "my_run"
    assert not (outputs / "late").exists()


def test_a_renamed_sweep_is_found_by_its_commands(outputs, mlptrain):
    outcome = mlptrain("rename", "outputs/sweep", "seeds", "--yes")
    assert "name=seeds" in outcome.stdout
    known = load(outputs / "seeds")
    assert [" ".join(command) for command in known.commands] == [
        "mlptrain -m seed=2,3,42 name=seeds",
        "mlptrain -m seed=2 name=seeds",
    ]
    assert [len(hashes) for hashes in known.commands.values()] == [3, 1]
    assert json.loads((outputs / "seeds" / "sweep.json").read_text())["name"] == "seeds"
    assert (outputs / "latest").resolve() == outputs / "late"


@pytest.mark.parametrize("name", ["latest", "a/b", "..", ".hidden", "two words", "", "early"])
def test_a_name_that_will_not_do_is_refused(outputs, mlptrain, name):
    before = listed(outputs)
    assert mlptrain("rename", "outputs/late", name, "--yes").exit_code == 2
    assert listed(outputs) == before


def test_a_cell_keeps_its_name(outputs, mlptrain):
    assert mlptrain("rename", "outputs/sweep/seed=2", "new", "--yes").exit_code == 2


def test_sweeps_are_listed(outputs, mlptrain):
    write_sweep(outputs / "early", [])
    (outputs / "early" / "sweep.json").write_text("[]")
    shown = mlptrain("status").stdout.splitlines()
    assert shown[0] == "outputs/early  sweep.json: not a JSON object"
    assert shown[1].startswith("outputs/sweep  3 cells: ")
