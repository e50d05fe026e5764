"""The user's grid on the mini set, with a small net."""

import re

import pytest
from real_command import MINI, SPARE, runs

pytestmark = pytest.mark.slow

GRID = [
    "-m",
    "activation=relu,tanh,gelu",
    "init=he_normal,glorot_uniform",
    "train.epochs=1",
    MINI,
    *SPARE,
    "model.hidden=[16]",
]


def test_a_grid_trains_every_cell_once_and_the_same_command_again_trains_nothing(command, tmp_path):
    done = command(tmp_path, *GRID)
    assert done.code == 0, done.err
    *_, total, place, report = done.out.splitlines()
    assert re.fullmatch(r"6 cells: 6 done, in (\d+ min )?[\d.]+ s", total)
    assert place == "in outputs/activation_initializer"
    assert report == "next: mlptrain report outputs/activation_initializer"
    trained = runs(tmp_path)
    assert {facts["status"] for facts in trained.values()} == {"finished"}
    cells = {
        (facts["config"]["activation"]["name"], facts["config"]["initializer"]["name"])
        for facts in trained.values()
    }
    assert len(trained) == 6
    assert cells == {(a, i) for a in ("relu", "tanh", "gelu")
                     for i in ("he_normal", "glorot_uniform")}  # fmt: skip
    assert len({folder.parent for folder in trained}) == 1
    for folder, facts in trained.items():
        assert folder.name.endswith(facts["config_hash"][:8])
        assert facts["run_id"] == folder.name
        assert facts["config"]["train"]["epochs"] == 1
        assert (folder / "metrics.json").exists()
        assert not (folder / "checkpoint").exists()

    files = {file: file.stat().st_mtime_ns for folder in trained for file in folder.rglob("*")}
    again = command(tmp_path, *GRID)
    assert again.code == 0, again.err
    assert "nothing left to train" in again.out
    assert runs(tmp_path) == trained
    assert {
        file: file.stat().st_mtime_ns for folder in trained for file in folder.rglob("*")
    } == files

    removed = command(tmp_path, "remove", "outputs/activation_initializer", "--yes")
    assert removed.out.splitlines()[-1] == "1 folder removed"
    assert list((tmp_path / "outputs").iterdir()) == []
