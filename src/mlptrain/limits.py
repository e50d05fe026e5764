"""What this process may use: cores, memory, and arithmetic in bfloat16."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_RECLAIMABLE = {
    2: ("active_file", "inactive_file", "slab_reclaimable"),
    1: ("total_active_file", "total_inactive_file"),
}
"""Entries of `memory.stat`, by version of cgroup, that the system gives up when asked for memory:
above all its cache of files."""


def core_limit(root: Path = Path("/")) -> tuple[int, str | None]:
    """Return the number of processor cores that this process may use, and what limits it.

    Args:
        root: where the files of the system are.

    Returns:
        At least 1, in whole cores; and the reason, where it is less than the cores that the
        process may run on.
    """
    try:
        number = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        number = os.cpu_count() or 1
    limits = [(int(quota), "the CPU quota of its control group") for quota in _cpu_quotas(root)]
    with suppress(ValueError):
        if (cores := int(os.environ.get("SLURM_CPUS_PER_TASK", ""))) > 0:
            limits.append((cores, "SLURM_CPUS_PER_TASK"))
    least, reason = min(limits, default=(number, ""))
    if least >= number:
        return number, None
    least = max(1, least)
    return least, f"{reason} allows {least} of {number} cores"


def available_memory(root: Path = Path("/")) -> int:
    """Return the memory that processes can still take without swapping, in bytes.

    The limit of a container or of a batch job counts where it is lower. Memory that only caches
    files is available.

    Args:
        root: where the files of the system are.
    """
    import psutil

    room = [int(psutil.virtual_memory().available)]
    for version, folder in _control_groups(root, "memory"):
        names = ("memory.max", "memory.high") if version == 2 else ("memory.limit_in_bytes",)
        current = _number(folder, "memory.current" if version == 2 else "memory.usage_in_bytes")
        for limit in (_number(folder, name) for name in names):
            if limit is not None and current is not None:
                room.append(max(0, int(limit - current) + _reclaimable(folder, version)))
    return min(room)


def total_memory() -> int:
    """Return the memory of the machine, in bytes, whoever uses it."""
    import psutil

    return int(psutil.virtual_memory().total)


def computes_in_bfloat16(root: Path = Path("/")) -> bool:
    """Return whether the processor has instructions for bfloat16; True where that is unknown.

    Args:
        root: where the files of the system are.
    """
    for line in _text(root, "proc/cpuinfo").splitlines():
        key, _, names = line.partition(":")
        if key.strip() in ("flags", "Features"):  # x86, ARM
            return not {"amx_bf16", "avx512_bf16", "bf16"}.isdisjoint(names.split())
    return True


def _cpu_quotas(root: Path) -> Iterator[float]:
    """Yield the processor time per time of each control group that this process is in."""
    for version, folder in _control_groups(root, "cpu"):
        if version == 2:
            quota, period = [*_text(folder, "cpu.max").split(), "", ""][:2]
        else:
            quota, period = _text(folder, "cpu.cfs_quota_us"), _text(folder, "cpu.cfs_period_us")
        with suppress(ValueError, ZeroDivisionError):  # "max", or none
            if (share := int(quota) / int(period)) > 0:  # -1: no limit
                yield share


def _control_groups(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """Yield the version and folder of each control group of this process, up to the topmost."""
    mounts = [line.split() for line in _text(root, "proc/self/mountinfo").splitlines()]
    for line in _text(root, "proc/self/cgroup").splitlines():
        controllers, _, group = line.partition(":")[2].partition(":")
        version = 1 if controllers else 2
        if version == 1 and controller not in controllers.split(","):
            continue
        for fields in mounts:
            with suppress(ValueError, IndexError):
                kind, _, options = fields[fields.index("-") + 1 :][:3]
                is_here = kind == "cgroup2" if version == 2 else kind == "cgroup"
                if is_here and (version == 2 or controller in options.split(",")):
                    top = root / fields[4].lstrip("/")
                    yield from ((version, folder) for folder in _levels(top, fields[3], group))


def _levels(top: Path, mounted: str, group: str) -> Iterator[Path]:
    """Yield the folders from a group's up to `top`, where the hierarchy is mounted.

    Args:
        top: folder of the mount.
        mounted: the group that the mount shows as its top; a container sees its own there.
        group: the process's, from the hierarchy's root.
    """
    inside = Path(group.removeprefix(mounted) if mounted != "/" else group).as_posix().strip("/")
    folder = top / inside if ".." not in Path(inside).parts else top
    while True:
        if folder.is_dir():
            yield folder
        if folder == top:
            return
        folder = folder.parent


def _reclaimable(folder: Path, version: int) -> int:
    pairs = (line.split() for line in _text(folder, "memory.stat").splitlines())
    return sum(int(pair[1]) for pair in pairs if pair[0] in _RECLAIMABLE[version])


def _number(folder: Path, name: str) -> int | None:
    """Return the number in a file; None where there is none, or "max"."""
    text = _text(folder, name)
    return int(text) if text.isdigit() else None


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
