"""TensorFlow's C++ ends the process: what it printed is shown and recorded, the signal named."""

import os
import signal

import pytest
from real_command import (
    LONG,
    MINI,
    SPARE,
    finish,
    mlptrain_command,
    read_json,
    start,
    wait_for_epochs,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX"),
]

UNKNOWN_FLAG = "Unknown flag in XLA_FLAGS: --xla_no_such_flag=1"


@pytest.fixture
def unknown_flag(monkeypatch):
    """With it, TensorFlow ends every process that compiles something with XLA."""
    monkeypatch.setenv("XLA_FLAGS", "--xla_no_such_flag=1")


def test_what_tensorflow_printed_before_it_ended_the_run_is_shown_and_recorded(
    tmp_path, unknown_flag
):
    done = mlptrain_command(tmp_path, MINI, *SPARE, "train.epochs=1")
    assert done.code != 0
    assert UNKNOWN_FLAG in done.err
    assert "to do:    correct or unset the environment variable XLA_FLAGS" in done.err
    facts = read_json(done.folder, "run.json")
    assert facts["status"] == "failed"
    assert UNKNOWN_FLAG in facts["reason"]
    assert UNKNOWN_FLAG in (done.folder / "train.log").read_text()
    assert not list(done.folder.glob(".*.part"))


def test_a_sweep_tries_such_a_cell_once_and_does_not_blame_the_memory(tmp_path, unknown_flag):
    grid = ["-m", MINI, *SPARE, "train.epochs=1", "seed=1,2", "name=grid", "runtime.threads=1"]
    done = mlptrain_command(tmp_path, *grid)
    assert done.code == 1
    cells = [read_json(f.parent, f.name) for f in tmp_path.glob("outputs/grid/*/run.json")]
    assert [cell["status"] for cell in cells] == ["failed", "failed"]
    assert all(UNKNOWN_FLAG in cell["reason"] for cell in cells)
    # Whose worker ends first takes the other with it, which is tried again.
    assert sorted(len(cell["resumed"]) for cell in cells) in ([0, 0], [0, 1])
    assert UNKNOWN_FLAG in done.out
    assert "out of memory" not in done.out + done.err


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGILL"])
def test_the_signal_that_ended_a_training_run_is_named(tmp_path, name):
    process = start(tmp_path, *LONG, "train.epochs=500")
    folder = wait_for_epochs(process, tmp_path, 1)
    process.send_signal(getattr(signal, name))
    done = finish(process, tmp_path)
    assert done.code == -getattr(signal, name)
    assert f"received: {name}, which ended the process" in done.err
    assert "Traceback" not in done.err
    facts = read_json(folder, "run.json")
    assert facts["status"] == "failed"
    assert name in facts["reason"]
    assert "most recent call first" in (folder / "train.log").read_text()
