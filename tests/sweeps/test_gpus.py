"""Workers and GPUs, with a replacement of `nvidia-smi`: no test needs a GPU."""

import os
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest

from mlptrain.gpus import Gpu, read_gpus, share_gpus
from mlptrain.model.process import finds_gpu
from mlptrain.sweeps import packing
from mlptrain.sweeps.launchers import Launcher
from mlptrain.sweeps.supervisor import supervise

FAKE = Path(__file__).parent / "fake_gpus"
TWO = "0, 20000, 24576, GPU-aa11\n1, 900, 24576, GPU-bb22\n"
FIRST, SECOND = Gpu("GPU-aa11", 20000), Gpu("GPU-bb22", 900)


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [
        (None, [FIRST, SECOND]),
        ("", []),
        ("-1", []),
        ("1", [Gpu("1", 900)]),
        ("1, 0", [Gpu("1", 900), Gpu("0", 20000)]),
        ("0,-1,1", [Gpu("0", 20000)]),
        ("0,7,1", [Gpu("0", 20000)]),
        ("GPU-bb", [Gpu("GPU-bb", 900)]),
        ("GPU-", []),  # of two
        ("NoDevFiles", []),
    ],
)
def test_the_gpus_that_a_process_sees_are_as_cuda_reads_its_variable(visible, gpus):
    assert read_gpus(TWO, visible) == gpus


@pytest.mark.parametrize(
    ("listing", "gpus"),
    [
        ("", []),
        ("No devices were found\n", []),
        ("0, 11000, 12288\n", [Gpu("0", 11000)]),
        ("0, [N/A], [N/A], GPU-cc33\n", [Gpu("GPU-cc33", None)]),
    ],
)
def test_other_listings(listing, gpus):
    assert read_gpus(listing, None) == gpus


@pytest.mark.parametrize(
    ("gpus", "need", "most", "names"),
    [
        ([Gpu("0", 5000)], 1000, 8, "00000"),
        ([Gpu("0", 5000)], 1000, 2, "00"),
        ([Gpu("0", 500)], 1000, 8, "0"),
        ([Gpu("0", 400), Gpu("1", 500)], 1000, 8, "1"),
        ([Gpu("0", 5000), Gpu("1", 2500)], 1000, 4, "0101"),
        ([Gpu("0", 2500), Gpu("1", 5000)], 1000, 1, "1"),
        ([Gpu("0", 500), Gpu("1", 2500)], 1000, 8, "11"),
        ([Gpu("0", None), Gpu("1", None)], 1000, 8, "01"),
        ([Gpu("0", 10), Gpu("1", 10)], 0, 5, "01010"),
    ],
)
def test_workers_are_spread_over_the_gpus_that_have_room(gpus, need, most, names):
    assert share_gpus(gpus, need, most) == tuple(names)


@pytest.fixture
def plan(mlptrain, elsewhere, monkeypatch):
    """Plan six cells on eight cores and the GPUs of a listing; returns what is printed."""
    monkeypatch.setattr(packing, "core_limit", lambda: (8, None))
    monkeypatch.setattr(packing, "available_memory", lambda: 2**40)
    monkeypatch.setenv("PATH", f"{FAKE}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(FAKE))

    def call(listing, *words):
        monkeypatch.setenv("GPUS", listing.strip())
        finds_gpu.cache_clear()
        done = mlptrain("plan", "data=cifar10_mini", "seed=1,2,3,4,5,6", *words)
        assert done.exit_code == 0, done.stderr
        return [line for line in done.stdout.splitlines() if "at a time" in line]

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield call
    finds_gpu.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="a script as a program")
def test_a_plan_says_that_the_memory_of_gpus_limits_its_workers(plan, monkeypatch):
    full, roomy = "0, 1500, 24576, GPU-a\n1, 1500, 24576, GPU-b", "0, 80000, 81559, GPU-a"
    assert "2 at a time: 3,000 MiB of the memory of 2 GPUs is free, a worker" in plan(full)[0]
    assert "1 at a time: an unknown part" in plan("0, [N/A], [N/A], GPU-a")[0]
    assert plan(roomy) == plan("") == []
    assert plan(full, "runtime.device=cpu") == []
    assert plan(full, "hydra.launcher.n_jobs=6") == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert "1 at a time: 1,500 MiB of the memory of 1 GPU is free, a worker" in plan(full)[0]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert plan(full) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a script as a program")
def test_a_gpu_that_tensorflow_cannot_use_limits_nothing(plan, monkeypatch):
    monkeypatch.setenv("FAKE_CPU_ONLY", "1")
    line = "6 at a time: TensorFlow cannot use the GPU that nvidia-smi lists"
    assert plan("0, 100, 2048, GPU-a") == [f"{line} (needs tensorflow[and-cuda])"]


def visible_device(supervisor, all_have_one):
    with supervisor.at_work():
        all_have_one.wait(60)
        return os.environ["CUDA_VISIBLE_DEVICES"]


def test_each_worker_sees_one_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    before = dict(os.environ)
    devices = ("GPU-a", "GPU-b", "GPU-a")
    context = get_context("spawn")
    with (
        supervise(tmp_path, Launcher(children=True), devices) as (supervisor, _),
        context.Manager() as manager,
        context.Pool(3) as pool,
    ):
        job = supervisor, manager.Barrier(3)
        seen = pool.starmap(visible_device, [job] * 3, chunksize=1)
    assert sorted(seen) == sorted(devices)
    assert dict(os.environ) == before
