"""`mlptrain status`: the state of a sweep's cells, and the runs that no command requests."""

import io
import json
import sys

import pytest

from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.store.sweep_file import load
from mlptrain.sweeps.cells import plan_sweep

GRID, MORE = ["-m", "seed=1,2"], ["-m", "seed=2,3"]
SWEEP = "outputs/seed"


class Sweep:
    """A sweep's folder, written as the sweep and its workers write it."""

    def __init__(self, root):
        self.root = root
        self.cells = {}

    def request(self, *arguments, given=None):
        """Request the arguments' cells; `given` is what the user typed, if something else."""
        plan = plan_sweep(["data=cifar10_mini", *arguments[1:]])
        plan.remember(self.root, ["mlptrain", *(given or arguments)], threads=1)
        self.cells.update({cell.slug: cell for cell in plan.cells})
        return plan.cells

    def start(self, cell):
        record = RunRecord(RunFolder(self.root / cell.folder_name))
        record.folder.path.mkdir()
        record.start(cell.config, ["mlptrain"])
        return record

    def finish(self, cell):
        record = self.start(cell)
        record.finish({})
        record.folder.file("heartbeat.json").unlink()  # its process has ended long ago
        return record.folder.path


@pytest.fixture
def sweep(elsewhere):
    return Sweep(elsewhere / SWEEP)


@pytest.fixture
def outdated(sweep):
    """A default has changed after the first two of three cells; returns the old cells' folders."""
    old = sweep.request("-m", "seed=1,2", "train.epochs=7", given=GRID)
    folders = [sweep.finish(cell) for cell in old]
    sweep.finish(sweep.request(*GRID)[0])
    return folders


@pytest.fixture
def answer(monkeypatch):
    def typed(text):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return typed


def files(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_every_cell_is_shown_with_its_state(sweep, mlptrain):
    first, second = sweep.request(*GRID)
    sweep.request(*MORE)
    sweep.finish(first)
    sweep.start(second).fail(ValueError("because"))
    outcome = mlptrain("status", SWEEP)
    assert outcome.exit_code == 0
    assert "3 cells: 1 done, 1 failed, 1 not started" in outcome.stdout
    assert "ValueError: because" in outcome.stdout
    assert "sweep.retry_failed=true" in outcome.stdout


@pytest.mark.parametrize(
    ("done", "printed"),
    [("", [GRID, MORE]), ("1", [GRID, MORE]), ("12", [MORE]), ("23", [GRID]), ("123", [])],
)
def test_only_commands_with_unfinished_cells_are_printed(sweep, mlptrain, done, printed):
    sweep.request(*GRID)
    sweep.request(*MORE)
    for seed in done:
        sweep.finish(sweep.cells[f"seed={seed}"])
    shown = mlptrain("status", SWEEP).stdout
    for words in (GRID, MORE):
        assert (f"  mlptrain {' '.join(words)}\n" in shown) is (words in printed)
    assert ("commands that train the rest:" in shown) is bool(printed)


def test_a_command_can_be_pasted_into_a_shell(sweep, mlptrain):
    sweep.request(
        "-m", "seed=1,2", given=["-m", "seed=1,2", "name=it's [bold] two words " + "x" * 90]
    )
    shown = mlptrain("status", SWEEP).stdout
    assert "  mlptrain -m seed=1,2 'name=it'\"'\"'s [bold] two words " + "x" * 90 + "'\n" in shown


def test_running_cells_need_no_command(sweep, mlptrain):
    for cell in sweep.request(*GRID):
        sweep.start(cell)
    shown = mlptrain("status", SWEEP).stdout
    assert "2 running" in shown
    assert "commands that train the rest:" not in shown


def test_cells_of_an_earlier_default_are_listed_separately(sweep, outdated, mlptrain):
    before = files(sweep.root)
    shown = mlptrain("status", SWEEP).stdout
    assert "2 cells: 1 done, 1 not started" in shown
    assert "2 runs that no command asks for any more:" in shown
    for folder in outdated:
        assert f"  {folder.name}  (finished)\n" in shown
    assert "--prune" in shown
    assert files(sweep.root) == before


@pytest.mark.parametrize("text", ["n\n", "\n", ""])
def test_prune_removes_nothing_unless_the_answer_is_yes(sweep, outdated, mlptrain, answer, text):
    before = files(sweep.root)
    answer(text)
    outcome = mlptrain("status", SWEEP, "--prune")
    assert files(sweep.root) == before
    if text:
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        assert "nothing was removed" in outcome.stdout
    else:  # the end of the input is like Ctrl-C
        assert outcome.exit_code == 130
        assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(("words", "text"), [([], "y\n"), (["--yes"], ""), (["-y"], "")])
def test_prune_removes_only_runs_that_no_command_requests(
    sweep, outdated, mlptrain, answer, words, text
):
    remaining = {path: content for path, content in files(sweep.root).items()
            if path.parent not in outdated and path.name != "sweep.json"}  # fmt: skip
    answer(text)
    outcome = mlptrain("status", SWEEP, "--prune", *words)
    assert outcome.exit_code == 0
    assert "2 run folders removed" in outcome.stdout
    now = files(sweep.root)
    assert now.pop(sweep.root / "sweep.json")
    assert now == remaining
    assert not any(folder.exists() for folder in outdated)
    known = load(sweep.root)
    assert list(known.cells.values()) == known.requested
    assert len(known.requested) == 2
    again = mlptrain("status", SWEEP, "--prune")
    assert "nothing to remove" in again.stdout


@pytest.mark.parametrize("words", [[], ["--yes"]])
def test_prune_is_refused_while_a_folder_is_written_to(sweep, mlptrain, answer, words):
    (old,) = sweep.request("-m", "seed=1", "train.epochs=7", given=["-m", "seed=1"])
    sweep.request("-m", "seed=1")
    sweep.start(old)
    before = files(sweep.root)
    answer("y\n")
    outcome = mlptrain("status", SWEEP, "--prune", *words)
    assert outcome.exit_code == 2
    assert old.folder_name in outcome.received
    assert files(sweep.root) == before


def test_prune_removes_a_finished_run_of_a_process_that_is_alive(sweep, mlptrain):
    (old,) = sweep.request("-m", "seed=1", "train.epochs=7", given=["-m", "seed=1"])
    sweep.request("-m", "seed=1")
    sweep.start(old).finish({})
    assert mlptrain("status", SWEEP, "--prune", "--yes").exit_code == 0


def test_prune_keeps_a_requested_cell_under_any_name(sweep, mlptrain):
    (cell, _) = sweep.request(*GRID)
    path = sweep.finish(cell)
    other = path.rename(path.with_name(f"another-{cell.config_hash[:8]}"))
    assert "no command asks for" not in mlptrain("status", SWEEP).stdout
    mlptrain("status", SWEEP, "--prune", "--yes")
    assert other.is_dir()


@pytest.mark.parametrize("name", ["~nobody_of_this_name/x", "x" * 300])
def test_an_impossible_path_is_refused(name, mlptrain, assert_refused):
    assert_refused(mlptrain("status", name))


def test_a_single_run_in_the_folder_is_listed_before_prune_removes_it(sweep, mlptrain, answer):
    sweep.finish(sweep.request(*GRID)[0])
    single = sweep.root / "2025-06-01_12-00-00-1a2b3c4d-x9y8"
    single.mkdir()
    (single / "run.json").write_text(json.dumps({"status": "finished"}))
    answer("n\n")
    assert single.name in mlptrain("status", SWEEP, "--prune").stdout
    assert single.exists()


def test_prune_completes_when_latest_points_to_a_removed_run(sweep, outdated, mlptrain):
    (sweep.root / "latest").symlink_to(outdated[0].name)
    outcome = mlptrain("status", SWEEP, "--prune", "--yes")
    assert outcome.exit_code == 0
    assert len(load(sweep.root).cells) == 2
