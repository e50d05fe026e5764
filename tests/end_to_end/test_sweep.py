"""The user's grid, word for word, on the mini set."""

import json
import re

import pytest

pytestmark = pytest.mark.slow

GRID = [
    "-m",
    "activation=relu,tanh,gelu",
    "init=he_normal,glorot_uniform",
    "train.epochs=1",
    "data=cifar10_mini",
]


def runs_below(folder):
    """Run folder → its run.json."""
    found = (folder / "outputs").rglob("run.json")
    return {file.parent.resolve(): json.loads(file.read_text()) for file in found}


def test_a_grid_trains_every_cell_once_and_the_same_command_again_trains_nothing(command, tmp_path):
    done = command(tmp_path, *GRID)
    assert done.code == 0, done.err
    *_, total, place, report = done.out.splitlines()
    assert re.fullmatch(r"6 cells: 6 done, in (\d+ min )?[\d.]+ s", total)
    assert place == "in outputs/activation_initializer"
    assert report == "next: mlptrain report outputs/activation_initializer"
    runs = runs_below(tmp_path)
    assert {facts["status"] for facts in runs.values()} == {"finished"}
    cells = {
        (facts["config"]["activation"]["name"], facts["config"]["initializer"]["name"])
        for facts in runs.values()
    }
    assert len(runs) == 6
    assert cells == {(a, i) for a in ("relu", "tanh", "gelu")
                     for i in ("he_normal", "glorot_uniform")}  # fmt: skip
    assert len({folder.parent for folder in runs}) == 1
    for folder, facts in runs.items():
        assert folder.name.endswith(facts["config_hash"][:8])
        assert facts["run_id"] == folder.name
        assert facts["config"]["train"]["epochs"] == 1
        assert (folder / "metrics.json").exists()
        assert not (folder / "checkpoint").exists()

    files = {file: file.stat().st_mtime_ns for folder in runs for file in folder.rglob("*")}
    again = command(tmp_path, *GRID)
    assert again.code == 0, again.err
    assert "nothing left to train" in again.out
    assert runs_below(tmp_path) == runs
    assert {file: file.stat().st_mtime_ns for folder in runs for file in folder.rglob("*")} == files

    removed = command(tmp_path, "remove", "outputs/activation_initializer", "--yes")
    assert removed.out.splitlines()[-1] == "1 folder removed"
    assert list((tmp_path / "outputs").iterdir()) == []
