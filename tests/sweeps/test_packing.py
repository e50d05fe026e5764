import re
from dataclasses import replace
from math import ceil

import pytest

from mlptrain.config.compose import compose
from mlptrain.sweeps import packing as packing_module
from mlptrain.sweeps.estimate import Estimator
from mlptrain.sweeps.launchers import Launcher, read_launcher
from mlptrain.sweeps.packing import Packing, pack

MIB = 2**20
CONFIG = compose(["data=cifar10_mini"]).config
NEED = ceil(Estimator([]).memory_mib(CONFIG))


def launcher(name, **settings):
    """The launcher with its settings, as Hydra's part of a config has them."""
    return read_launcher({"launcher": settings, "runtime": {"choices": {"hydra/launcher": name}}})


AUTO = launcher("joblib", n_jobs=-1)


@pytest.fixture
def packed(monkeypatch, tmp_path):
    """How many cells are packed on eight cores, where the memory of no run is known."""
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(packing_module, "core_limit", lambda: (8, None))

    def call(launcher, cells, threads=None, mib=10**6):
        monkeypatch.setattr(packing_module, "available_memory", lambda: mib * MIB)
        return pack(launcher, [CONFIG] * cells, tmp_path / "outputs", threads)

    return call


@pytest.mark.parametrize(
    ("cells", "workers", "threads"), [(20, 8, 1), (8, 8, 1), (3, 3, 2), (2, 2, 4), (1, 1, 8)]
)
def test_workers_share_all_cores(packed, cells, workers, threads):
    assert packed(AUTO, cells) == Packing(workers, threads)


@pytest.mark.parametrize(
    ("jobs", "cells", "workers", "threads"), [(3, 20, 3, 2), (3, 1, 1, 8), (20, 20, 20, 1)]
)
def test_n_jobs_is_used_regardless_of_memory(packed, jobs, cells, workers, threads):
    assert packed(launcher("joblib", n_jobs=jobs), cells, mib=0) == Packing(workers, threads)


@pytest.mark.parametrize(
    ("mib", "workers", "threads"), [(0, 1, 8), (NEED, 1, 8), (4 * NEED, 4, 2), (7 * NEED, 7, 1)]
)
def test_workers_are_limited_by_memory_and_the_reason_is_given(packed, mib, workers, threads):
    result = packed(AUTO, 20, mib=mib)
    assert (result.workers, result.threads) == (workers, threads)
    assert f"{mib:,} MiB" in result.limited
    assert re.search(rf"needs {NEED - 1:,}|needs {NEED:,}", result.limited)


@pytest.mark.parametrize(("cells", "limited"), [(20, "a quota allows 8 of 64 cores"), (3, None)])
def test_a_quota_that_limits_the_workers_is_the_reason(packed, monkeypatch, cells, limited):
    monkeypatch.setattr(packing_module, "core_limit", lambda: (8, "a quota allows 8 of 64 cores"))
    assert packed(AUTO, cells).limited == limited
    assert "MiB" in packed(AUTO, cells, mib=NEED).limited


def test_sufficient_memory_is_not_mentioned(packed):
    assert packed(AUTO, 20, mib=8 * NEED).limited is None


@pytest.mark.parametrize(("threads", "workers"), [(1, 8), (2, 4), (3, 2), (16, 1)])
def test_threads_chosen_earlier_are_used_again(packed, threads, workers):
    assert packed(AUTO, 20, threads=threads) == Packing(workers, threads)
    assert packed(AUTO, 20, threads=threads, mib=0).threads == threads
    assert packed(launcher("joblib", n_jobs=5), 20, threads=threads) == Packing(5, threads)


@pytest.mark.parametrize(("threads", "expected"), [(None, 8), (2, 2)])
def test_a_launcher_that_runs_one_job_after_another_gives_each_all_cores(packed, threads, expected):
    assert packed(launcher("basic"), 20, threads=threads, mib=0) == Packing(1, expected)


@pytest.mark.parametrize(
    ("given", "threads", "expected"), [(4, None, 4), (None, None, 1), (4, 2, 2)]
)
def test_a_batch_job_has_the_cores_that_it_requests(packed, given, threads, expected):
    slurm = launcher("submitit_slurm", cpus_per_task=given)
    assert packed(slurm, 20, threads=threads, mib=0) == Packing(20, expected)


@pytest.mark.parametrize(("given", "threads"), [(None, 1), (3, 3), (0.5, 1), ("many", 1)])
def test_a_job_of_ray_has_the_cores_that_it_requests(packed, given, threads):
    ray = replace(launcher("ray", ray={"remote": {"num_cpus": given}}), jobs=5)
    assert packed(ray, 20, mib=0) == Packing(5, threads)


def test_batch_jobs_are_limited_by_array_parallelism(packed):
    slurm = launcher("submitit_slurm", cpus_per_task=2, array_parallelism=3)
    assert packed(slurm, 20, mib=0) == Packing(3, 2)
    assert packed(slurm, 2, mib=0) == Packing(2, 2)


@pytest.mark.parametrize(
    ("cells", "workers", "threads"), [(20, 8, 1), (8, 8, 1), (3, 3, 2), (1, 1, 8)]
)
def test_a_launcher_without_a_file_runs_jobs_at_once_with_a_thread_share_each(
    packed, cells, workers, threads
):
    unknown = launcher("rq", n_jobs=1, cpus_per_task=4)
    assert unknown == Launcher("rq", parallel=True, separate=False)
    assert packed(unknown, cells, mib=0) == Packing(workers, threads)
