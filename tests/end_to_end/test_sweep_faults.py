"""A sweep that is killed, has bad cells, or is given twice."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from crafted import facts
from omegaconf import OmegaConf
from real_command import (
    environment,
    epochs_of_runs,
    finish,
    history,
    runs,
    start,
    wait_for_epochs,
    workers_of,
)

from mlptrain.config.command_line import CommandLine
from mlptrain.errors import TrainingError
from mlptrain.sweeps.launching import launch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX"),
]

QUICK = ["data=cifar10_mini", "artifacts=minimal", "model.hidden=[32]", "callbacks=none",
         "instruments=off"]  # fmt: skip
# beta_1 is no parameter of the default optimizer: only the cells have it.
GRID = ["optimizer=adam,adamw", "optimizer.beta_1=0.8", "seed=1,2"]
LONG = ["-m", *GRID, "train.epochs=20", *QUICK]


def figures(cwd):
    return {
        (facts["config"]["optimizer"]["name"], facts["seed"]): history(folder)
        for folder, facts in runs(cwd).items()
    }


@pytest.fixture(scope="module")
def undisturbed(once):
    def train(cwd):
        done = finish(start(cwd, *LONG), cwd)
        assert done.code == 0, done.err
        return str(cwd)

    return figures(Path(once("undisturbed_sweep", train)))


def test_after_the_sweep_is_killed_two_processes_given_it_finish_it_and_train_no_cell_twice(
    undisturbed, tmp_path
):
    sweep = start(tmp_path, *LONG)
    wait_for_epochs(sweep, tmp_path, 2)
    sweep.kill()
    sweep.communicate()
    end = time.monotonic() + 20
    while workers_of(tmp_path) and time.monotonic() < end:
        time.sleep(0.2)
    assert workers_of(tmp_path) == []

    status = finish(start(tmp_path, "status", "outputs/optimizer_seed"), tmp_path)
    assert " -m optimizer=adam,adamw" in status.out
    done = [finish(again, tmp_path) for again in [start(tmp_path, *LONG) for _ in range(2)]]
    assert [one.code for one in done] == [0, 0], [one.err for one in done]
    for folder in runs(tmp_path):
        assert (folder / "train.log").read_text().count("started:") == 1
    assert {len(facts["resumed"]) for facts in runs(tmp_path).values()} <= {0, 1}
    assert figures(tmp_path) == undisturbed


# The first layer has 3 GB of weights: more than the limits leave, less than machines have. Zeros,
# because drawing so many takes half a minute.
HUGE = ["-m", "model.hidden=[250000,8],[64]", "initializer=zeros"]


def start_after(shell_command, cwd, *words):
    """The command with two workers, in a shell that has limited itself first."""
    given = [*words, *QUICK[:2], "callbacks=none", "hydra.launcher.n_jobs=2", "runtime.threads=1"]
    return subprocess.Popen(
        ["sh", "-c", f'{shell_command} && exec "$@"', "", sys.executable, "-m", "mlptrain", *given],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reason_of_the_huge_cell(done, cwd):
    """Once it is clear that it has failed and no other has."""
    assert done.code == 1, done.err
    assert "1 of 2 cells that did not finish" in done.err
    assert "sweep.retry_failed=true" in done.err
    cells = {str(f["config"]["model"]["hidden"]): f for f in runs(cwd).values()}
    huge = cells.pop("[250000, 8]")
    assert huge["status"] == "failed"
    assert {f["status"] for f in cells.values()} == {"finished"}, cells
    return huge["reason"]


def test_a_cell_that_is_refused_its_memory_fails_alone_and_says_so(tmp_path):
    limited = start_after(f"ulimit -v {8 << 20}", tmp_path, *HUGE, "train.epochs=1")
    done = finish(limited, tmp_path)
    assert "OOM when allocating tensor" in reason_of_the_huge_cell(done, tmp_path)
    assert "a worker process died" not in done.out


@pytest.fixture
def little_memory():
    """A control group of 2.5 GB: the kernel kills whoever takes most, as in a batch job."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    groups = [line.rpartition(":")[2].strip("/") for line in lines if ":memory:" in line]
    if not groups:
        pytest.skip("no control group for memory (version 1) here")
    group = Path("/sys/fs/cgroup/memory", groups[0], f"mlptrain-test-{os.getpid()}")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text("2500000000")
    except OSError:
        pytest.skip("no control group can be made here")
    yield group
    end = time.monotonic() + 30
    while (group / "cgroup.procs").read_text() and time.monotonic() < end:
        time.sleep(0.1)
    group.rmdir()


def test_a_cell_that_is_killed_for_its_memory_fails_and_its_neighbour_does_not(
    little_memory, tmp_path
):
    # The neighbour is in work each time: its worker dies too, and it is not to blame.
    enter = f'echo $$ > "{little_memory}/cgroup.procs"'
    done = finish(start_after(enter, tmp_path, *HUGE, "train.epochs=100"), tmp_path)
    assert "died twice: killed, or out of memory" in reason_of_the_huge_cell(done, tmp_path)
    assert "a worker process died" in done.out


def launched(seeds, workers, make_launcher):
    """A sweep over seeds, through a launcher of the test's own."""
    hydra = {
        "launcher": {"n_jobs": workers},
        "sweep": {"dir": ""},
        "runtime": {"choices": {"hydra/launcher": "joblib"}},
    }
    words = [*QUICK, f"seed={','.join(map(str, range(seeds)))}"]
    line = CommandLine.parse(words, ["mlptrain"])
    launch(line, OmegaConf.create({"hydra": hydra}), lambda task: make_launcher())


@pytest.mark.parametrize("workers", [2, 16])
def test_the_one_cell_that_kills_its_workers_is_found_among_its_neighbours(
    tmp_path, monkeypatch, workers
):
    monkeypatch.chdir(tmp_path)

    def mark(job, status):
        folder = Path(*(re.search(r"='(.*)'", word)[1] for word in job if "hydra.sweep" in word))
        folder.mkdir(exist_ok=True)
        content = facts(status=status, deadly="seed=0" in job)
        (folder / "run.json").write_text(json.dumps(content))
        (folder / "metrics.json").write_text("{}")

    class Launcher:
        def launch(self, jobs, initial_job_idx):
            for first in range(0, len(jobs), workers):
                at_once = jobs[first : first + workers]
                killed = any("seed=0" in job for job in at_once)
                for job in at_once:
                    mark(job, "running" if killed else "finished")
                if killed:
                    raise BrokenProcessPool
            return []

    with pytest.raises(TrainingError, match="1 of 20 cells that did not finish"):
        launched(20, workers, Launcher)
    states = Counter((run["status"], run["deadly"]) for run in runs(tmp_path).values())
    assert states == {("failed", True): 1, ("finished", False): 19}


def test_when_no_worker_can_even_start_the_sweep_ends(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    launches = []

    class Launcher:
        def launch(self, jobs, initial_job_idx):
            launches.append(jobs)
            raise BrokenProcessPool("killed at once")

    with pytest.raises(TrainingError, match="2 of 2 cells that did not"):
        launched(2, 2, Launcher)
    assert len(launches) == 2


def test_a_failed_cell_stops_no_other_and_waits_for_retry_failed(tmp_path):
    words = ["-m", "optimizer=sgd", "optimizer.learning_rate=1e30,0.01", "train.epochs=1", *QUICK,
             "hydra.launcher.n_jobs=1"]  # fmt: skip
    first = finish(start(tmp_path, *words), tmp_path)
    assert first.code == 1
    assert "1 of 2 cells that did not finish" in first.err
    cells = {facts["status"]: folder for folder, facts in runs(tmp_path).items()}
    assert set(cells) == {"finished", "failed"}
    log = cells["failed"] / "train.log"
    assert "NaN or infinity" in json.loads((cells["failed"] / "run.json").read_text())["reason"]

    tries = log.read_text().count("started:")
    again = finish(start(tmp_path, *words), tmp_path)
    assert (again.code, log.read_text().count("started:")) == (1, tries)
    assert "nothing left to train" in again.out
    retried = finish(start(tmp_path, *words, "sweep.retry_failed=true"), tmp_path)
    assert (retried.code, log.read_text().count("started:")) == (1, tries + 1)


def test_a_study_is_a_sweep_without_m_and_a_plan_trains_nothing(tmp_path):
    words = ["study=baseline", "train.epochs=1", "seed=1,2", *QUICK[:3]]
    plan = finish(start(tmp_path, "plan", "-m", *words), tmp_path)
    assert (plan.code, list(tmp_path.iterdir())) == (0, [])
    assert "2 not started" in plan.out
    assert "no time estimate: 2 of 2 cells" in " ".join(plan.out.split())
    done = finish(start(tmp_path, *words), tmp_path)
    assert done.code == 0, done.err
    sweep = tmp_path / "outputs" / "baseline"
    assert {file.name for file in sweep.iterdir() if file.is_file()} >= {
        "sweep.json", "summary.csv", "summary.md",
    }  # fmt: skip
    larger = [*words[:2], "seed=1,2,3", *QUICK[:3]]
    estimate = finish(start(tmp_path, "plan", *larger), tmp_path)
    assert re.search(
        r"steps; about .+, (\d+ at a time|one after another), \d+ threads? each "
        r"\(from finished runs of this machine\)",
        " ".join(estimate.out.split()),
    )
    more = finish(start(tmp_path, *larger), tmp_path)
    assert "3 cells: 2 done, 1 not started" in more.out


def test_ctrl_c_at_the_sweep_alone_stops_its_workers_and_then_a_killed_worker_costs_nothing(
    undisturbed, tmp_path
):
    sweep = start(tmp_path, *LONG)
    wait_for_epochs(sweep, tmp_path, 2)
    os.kill(sweep.pid, signal.SIGINT)  # to one process; a terminal would send it to all
    stopped = finish(sweep, tmp_path)
    assert stopped.code == 130
    assert "Traceback" not in stopped.out + stopped.err
    assert workers_of(tmp_path) == []
    cells = runs(tmp_path)
    states = [facts["status"] for facts in cells.values()]
    assert "interrupted" in states
    assert set(states) <= {"interrupted", "finished"}
    assert {f["reason"] for f in cells.values()} <= {"SIGINT", None}
    assert f"to resume: mlptrain {shlex.join(LONG)}\n" in stopped.out
    assert list((tmp_path / "outputs").rglob(".stop-*")) == []

    before = sum(epochs_of_runs(tmp_path).values())
    again = start(tmp_path, *LONG)
    wait_for_epochs(again, tmp_path, before + 1)
    workers_of(tmp_path)[0].kill()
    done = finish(again, tmp_path)
    assert done.code == 0, done.err
    assert "a worker process died" in done.out
    assert figures(tmp_path) == undisturbed
