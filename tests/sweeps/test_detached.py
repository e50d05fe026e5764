"""`--detach`: a sweep on a batch system without its terminal."""

import os
import sys
import time
from importlib.util import find_spec

import pytest
from real_command import MINI, SPARE, mlptrain_command, runs

from mlptrain.sweeps.detached import start_detached

SUBMIT = """
import os, pathlib, time
print("submitted", flush=True)
job = pathlib.Path("jobs/17")
job.mkdir()
(job / "17_submitted.pkl").touch()
time.sleep(600)
"""


def test_a_command_that_has_submitted_jobs_continues_in_a_session_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process = start_detached([sys.executable, "-c", SUBMIT], tmp_path / "jobs")
    try:
        assert process.poll() is None
        assert os.getsid(process.pid) == process.pid
        assert (tmp_path / "jobs" / "detached.log").read_text() == "submitted\n"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("code", [0, 2])
def test_what_a_command_without_jobs_printed_is_shown(tmp_path, capsys, code):
    for text in ("first", "second"):
        program = f"import sys; print({text!r}); sys.exit({code})"
        process = start_detached([sys.executable, "-c", program], tmp_path / "jobs")
        assert process.poll() == code
        printed = capsys.readouterr()
        assert (printed.err if code else printed.out) == f"{text}\n"


@pytest.mark.parametrize(
    "words", [["seed=1"], ["-m", "seed=1,2"], ["-m", "seed=1,2", "hydra/launcher=basic"]]
)
def test_jobs_that_would_end_with_the_command_are_not_detached(
    mlptrain, assert_refused, elsewhere, words
):
    outcome = mlptrain("--detach", *words)
    assert_refused(outcome)
    assert "nohup" in outcome.hint
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(not find_spec("submitit"), reason="needs the extra slurm")
def test_the_jobs_of_a_detached_sweep_train(tmp_path):
    words = ["-m", "seed=1,2", MINI, *SPARE, "train.epochs=2", "model.hidden=[8]",
             "hydra/launcher=submitit_local", "--detach"]  # fmt: skip
    done = mlptrain_command(tmp_path, *words)
    assert done.code == 0, done.err
    assert "next: mlptrain status outputs/seed\n" in done.out
    deadline = time.monotonic() + 120
    while [run["status"] for run in runs(tmp_path).values()] != ["finished"] * 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
