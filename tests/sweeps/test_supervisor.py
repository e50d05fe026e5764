"""What a job knows of the process that launched it."""

import os
import pickle

import pytest

from mlptrain.sweeps.launchers import Launcher
from mlptrain.sweeps.supervisor import Supervisor, supervise


def test_a_worker_whose_parent_is_not_the_sweep_stops(tmp_path):
    def worker_of(process):
        return Supervisor(process, tmp_path / "stop", None).reason_to_stop()

    assert worker_of(os.getppid()) is None
    assert worker_of(-1) == "the sweep's process is gone"
    assert worker_of(None) is None  # a batch system's job
    assert worker_of(os.getpid()) is None  # without workers


def test_a_file_stops_every_job_and_is_gone_after_the_sweep(tmp_path):
    before = dict(os.environ)
    with supervise(tmp_path, Launcher(separate=True)) as (supervisor, interruption):
        job = pickle.loads(pickle.dumps(supervisor))
        assert job.reason_to_stop() is None
        supervisor.stop_file.write_text("SIGINT")
        assert job.reason_to_stop() == "SIGINT"
    assert interruption.reason == "SIGINT"
    assert list(tmp_path.iterdir()) == []
    assert dict(os.environ) == before


@pytest.mark.parametrize(("here", "reason"), [(True, "SIGINT"), (False, None)])
def test_a_cell_stops_the_sweep_only_from_the_sweeps_own_process(tmp_path, here, reason):
    with supervise(tmp_path, Launcher()) as (supervisor, interruption):
        elsewhere = Supervisor(None, tmp_path / ".stop-host-1", None)
        (supervisor if here else elsewhere).stop_from_its_own_process("SIGINT")
    assert interruption.reason == reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("elsewhere", "shares"), [(False, True), (True, False)])
def test_jobs_on_other_machines_do_not_share_arrays_of_this_one(
    tmp_path, monkeypatch, elsewhere, shares
):
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    with supervise(tmp_path, Launcher(elsewhere=elsewhere)) as (supervisor, _):
        assert (supervisor.shared is not None) == shares
        assert not shares or supervisor.shared.is_dir()


@pytest.mark.parametrize(("children", "ends"), [(True, True), (False, False)])
def test_only_jobs_in_child_processes_end_with_the_sweep(tmp_path, children, ends):
    with supervise(tmp_path, Launcher(children=children)) as (supervisor, _):
        assert (supervisor.process == os.getpid()) == ends
