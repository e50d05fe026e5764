"""`sweep.json`: what the commands of a sweep have requested."""

import json
import os

import pytest

from mlptrain.config.command_line import CommandLine
from mlptrain.errors import RunFolderError
from mlptrain.store.sweep_file import SWEEP, forget, load
from mlptrain.sweeps.cells import plan_sweep

GRID = ["activation=relu,tanh"]
MORE = ["activation=relu,tanh,gelu"]


def test_the_cells_of_all_commands_are_requested(tmp_path):
    plan_sweep(GRID).remember(tmp_path, ["mlptrain", "-m", *GRID], threads=1)
    plan_sweep(MORE).remember(tmp_path, ["mlptrain", "-m", *MORE], threads=1)
    known = load(tmp_path)
    assert [list(command[2:]) for command in known.commands] == [GRID, MORE]
    assert [cell.slug for cell in known.requested] == [
        "activation=relu", "activation=tanh", "activation=gelu",
    ]  # fmt: skip


def test_a_repeated_command_requests_only_its_current_cells(tmp_path):
    plan_sweep(MORE).remember(tmp_path, ["a"], threads=1)
    plan_sweep([*GRID, "train.epochs=3"]).remember(tmp_path, ["a"], threads=1)
    known = load(tmp_path)
    assert [cell.slug for cell in known.requested] == ["activation=relu", "activation=tanh"]
    assert len(known.cells) == 5
    forget(tmp_path, [cell for cell in known.cells.values() if cell not in known.requested])
    assert load(tmp_path).requested == known.requested
    assert len(load(tmp_path).cells) == 2


def test_the_same_command_is_recorded_once(tmp_path):
    for _ in range(2):
        plan_sweep(GRID).remember(tmp_path, ["mlptrain", "-m", *GRID], threads=1)
    assert len(load(tmp_path).commands) == 1


def test_threads_are_chosen_once(tmp_path):
    plan_sweep(GRID).remember(tmp_path, ["a"], threads=1)
    assert plan_sweep(MORE).remember(tmp_path, ["b"], threads=8).threads == 1


def test_a_study_is_recorded_with_its_stages(tmp_path):
    plan_sweep([], "dropout").remember(tmp_path, ["mlptrain", "study=dropout"], threads=1)
    content = json.loads((tmp_path / SWEEP).read_text())
    (stage,) = content["stages"]
    assert (content["study"], stage["name"], len(stage["cells"])) == ("dropout", "dropout", 1)
    assert stage["question"]


def test_a_folder_of_another_study_is_refused_and_not_changed(tmp_path):
    plan_sweep([], "dropout").remember(tmp_path, ["a"], threads=1)
    before = (tmp_path / SWEEP).read_bytes()
    with pytest.raises(RunFolderError, match="name=NAME"):
        plan_sweep(GRID).remember(tmp_path, ["b"], threads=1)
    assert (tmp_path / SWEEP).read_bytes() == before


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cells": [1], "commands": []}'])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / SWEEP).write_text(content)
    with pytest.raises(RunFolderError):
        load(tmp_path)


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunFolderError, match="output_root=PATH"):
        plan_sweep(GRID).remember(tmp_path / "file" / "sweep", ["a"], threads=1)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_sweep_is_refused_and_not_changed(tmp_path):
    plan_sweep(GRID).remember(tmp_path, ["a"], threads=1)
    before = (tmp_path / SWEEP).read_bytes()
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunFolderError, match="output_root=PATH"):
            plan_sweep(MORE).remember(tmp_path, ["b"], threads=1)
    finally:
        tmp_path.chmod(0o700)
    assert (tmp_path / SWEEP).read_bytes() == before


@pytest.mark.parametrize("slug", ["../elsewhere", "/root", "", "..", "a/b"])
def test_a_cell_outside_the_folder_is_refused(tmp_path, slug):
    cell = {"hash": "ab" * 32, "slug": slug, "overrides": [], "commands": []}
    content = {"study": None, "threads": 1, "commands": [], "cells": [cell], "stages": []}
    (tmp_path / SWEEP).write_text(json.dumps(content))
    with pytest.raises(RunFolderError):
        load(tmp_path)


def test_the_last_retry_failed_counts():
    line = CommandLine.parse(["sweep.retry_failed=false", "seed=1", "sweep.retry_failed=True"])
    assert (line.retry_failed, [o.input_line for o in line.overrides]) == (True, ["seed=1"])
    assert CommandLine.parse([]).retry_failed is None
