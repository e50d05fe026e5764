"""Cores and memory: the least of what affinity, control groups and SLURM allow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from real_command import environment

from mlptrain.limits import available_memory, computes_in_bfloat16, core_limit

MIB = 2**20


@pytest.fixture(autouse=True)
def outside_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)


@pytest.fixture
def system(tmp_path):
    """(lines of mountinfo, lines of cgroup, files) → the root of such a system."""

    def make(mounts, groups, files):
        process = tmp_path / "proc" / "self"
        process.mkdir(parents=True)
        (process / "mountinfo").write_text("".join(f"{line}\n" for line in mounts))
        (process / "cgroup").write_text("".join(f"{line}\n" for line in groups))
        for name, content in files.items():
            file = tmp_path / "sys/fs/cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{content}\n")
        return tmp_path

    return make


V2 = ["30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw"]
V1 = [
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
]
# Inside a container of version 1: its group is the top of what is mounted.
V1_CONTAINER = [line.replace(" / /sys", " /docker/abc /sys") for line in V1]
V1_GROUPS = ["4:memory:/docker/abc", "1:cpu,cpuacct:/docker/abc", "0::/"]


@pytest.mark.parametrize(
    ("mounts", "groups", "files", "cores"),
    [
        (V2, ["0::/"], {}, 8),
        (V2, ["0::/job/step"], {"job/step/cpu.max": "max 100000"}, 8),
        (V2, ["0::/job/step"], {"job/step/cpu.max": "300000 100000"}, 3),
        (
            V2,
            ["0::/job/step"],
            {"job/step/cpu.max": "600000 100000", "job/cpu.max": "20000 10000"},
            2,
        ),
        (V2, ["0::/"], {"cpu.max": "50000 100000"}, 1),
        (V2, ["0::/"], {"cpu.max": "1600000 100000"}, 8),
        (
            V1,
            V1_GROUPS,
            {
                "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/docker/cpu.cfs_quota_us": "250000",
                "cpu,cpuacct/docker/cpu.cfs_period_us": "100000",
            },
            2,
        ),
        (
            V1_CONTAINER,
            V1_GROUPS,
            {"cpu,cpuacct/cpu.cfs_quota_us": "400000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            4,
        ),
        (V2, ["0::/../other"], {"cpu.max": "nonsense"}, 8),
        ([], [], {}, 8),
    ],
)
def test_cores_are_the_least_quota_of_any_level(system, mounts, groups, files, cores):
    number, reason = core_limit(system(mounts, groups, files))
    assert number == cores
    assert (reason is None) == (cores == 8)
    if reason:
        assert reason == f"the CPU quota of its control group allows {cores} of 8 cores"


@pytest.mark.parametrize(
    ("requested", "cores"), [("2", 2), ("12", 8), ("0", 8), ("", 8), ("many", 8)]
)
def test_cores_are_at_most_those_of_a_slurm_task(system, monkeypatch, requested, cores):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", requested)
    assert core_limit(system(V2, ["0::/"], {"cpu.max": "max 100000"}))[0] == cores


def test_the_slurm_task_is_given_as_the_reason(system, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert core_limit(system(V2, ["0::/"], {"cpu.max": "400000 100000"})) == (
        3,
        "SLURM_CPUS_PER_TASK allows 3 of 8 cores",
    )


@pytest.mark.parametrize(
    ("mounts", "groups", "files", "mib"),
    [
        # 90 of 100 MiB are in use, 60 of them by the cache of files.
        (
            V2,
            ["0::/job"],
            {
                "job/memory.max": 100 * MIB,
                "job/memory.current": 90 * MIB,
                "job/memory.stat": f"anon {30 * MIB}\nactive_file {20 * MIB}\n"
                f"inactive_file {40 * MIB}\nshmem 4096",
            },
            70,
        ),
        (
            V2,
            ["0::/job"],
            {
                "job/memory.max": "max",
                "job/memory.current": 90 * MIB,
                "job/memory.high": 95 * MIB,
                "memory.max": 200 * MIB,
                "memory.current": 180 * MIB,
            },
            5,
        ),
        (
            V1,
            V1_GROUPS,
            {
                "memory/docker/abc/memory.limit_in_bytes": 64 * MIB,
                "memory/docker/abc/memory.usage_in_bytes": 64 * MIB,
                "memory/docker/abc/memory.stat": f"total_inactive_file {48 * MIB}",
                "memory/docker/memory.limit_in_bytes": 9223372036854771712,
                "memory/docker/memory.usage_in_bytes": 64 * MIB,
            },
            48,
        ),
        (
            V1_CONTAINER,
            V1_GROUPS,
            {"memory/memory.limit_in_bytes": 64 * MIB, "memory/memory.usage_in_bytes": 66 * MIB},
            0,
        ),
    ],
)
def test_memory_is_the_least_room_and_the_cache_of_files_is_free(
    system, mounts, groups, files, mib
):
    assert available_memory(system(mounts, groups, files)) == mib * MIB


def test_without_limits_memory_is_that_of_the_machine(system):
    available = available_memory(system(V2, ["0::/"], {"memory.max": "max"}))
    assert 0 < available <= psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", False),
        ("flags\t\t: fpu avx512f avx512_bf16 amx_int8", True),
        ("flags\t\t: fpu amx_bf16 amx_tile", True),
        ("Features\t: fp asimd sve", False),
        ("Features\t: fp asimd bf16", True),
        ("", True),
    ],
)
def test_bfloat16_is_computed_where_the_processor_has_instructions(tmp_path, line, expected):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"processor : 0\nmodel name : x\n{line}\n")
    assert computes_in_bfloat16(tmp_path) == expected


@pytest.fixture
def control_group():
    """(controller, file → value) → the file to write a process into, of a real control group."""
    made = []

    def make(controller, settings):
        folder = Path("/sys/fs/cgroup", controller, f"mlptrain-{os.getpid()}")
        try:
            folder.mkdir()
            made.append(folder)
            for name, value in settings.items():
                (folder / name).write_text(str(value))
        except OSError:
            pytest.skip("no control group of version 1 can be made here")
        return folder / "cgroup.procs"

    yield make
    for folder in made:
        folder.rmdir()


WHAT_A_PROCESS_SEES = """
import json, os
from mlptrain.limits import available_memory, core_limit
print(json.dumps([core_limit(), available_memory(), len(os.sched_getaffinity(0))]))
"""


def test_a_real_control_group_is_obeyed(control_group):
    groups = [
        control_group("cpu", {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": 120_000}),
        control_group("memory", {"memory.limit_in_bytes": 300 * MIB}),
    ]
    enter = "".join(f"echo $$ > {group} && " for group in groups)
    done = subprocess.run(
        ["sh", "-c", f'{enter}exec "$0" -c "$1"', sys.executable, WHAT_A_PROCESS_SEES],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    (cores, reason), memory, number = json.loads(done.stdout)
    assert cores == 1
    assert number == 1 or reason.endswith(f"allows 1 of {number} cores")
    assert 200 * MIB < memory <= 300 * MIB
