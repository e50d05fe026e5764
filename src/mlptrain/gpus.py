"""NVIDIA's GPUs that processes may use, and how the workers of a sweep share them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that says which GPUs a process sees: their indices or UUIDs."""


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name in CUDA_VISIBLE_DEVICES, and its free memory, None where it is not known."""

    name: str
    free_mib: float | None


def list_gpus() -> list[Gpu]:
    """Return the GPUs that `nvidia-smi` lists and CUDA_VISIBLE_DEVICES allows."""
    columns = "index,memory.free,memory.total,uuid"
    command = ["nvidia-smi", f"--query-gpu={columns}", "--format=csv,noheader,nounits"]
    try:
        listing = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # no such program, or no driver
        return []
    return read_gpus(listing.decode(errors="replace"), os.environ.get(VISIBLE))


def read_gpus(listing: str, visible: str | None) -> list[Gpu]:
    """Return the GPUs of a listing that a process sees.

    Args:
        listing: lines of index, free memory, total memory (MiB) and UUID.
        visible: value of CUDA_VISIBLE_DEVICES; None where it is not set. As in CUDA, GPUs after
            one that does not exist are not visible.
    """
    rows = [[text.strip() for text in line.split(",")] for line in listing.splitlines()]
    # The indices of nvidia-smi and of CUDA may differ, so that a UUID is the better name.
    gpus = [
        (index, Gpu(uuid or index, _number(free)))
        for index, free, _, uuid, *_ in ([*row, ""] for row in rows if len(row) >= 3)
        if index.isdecimal()
    ]
    if visible is None:
        return [gpu for _, gpu in gpus]
    seen: list[Gpu] = []
    for entry in (text.strip() for text in visible.split(",")):
        named = [
            gpu
            for index, gpu in gpus
            if entry == index or (entry.startswith("GPU-") and gpu.name.startswith(entry))
        ]
        if len(named) != 1:
            break
        seen.append(Gpu(entry, named[0].free_mib))
    return seen


def share_gpus(gpus: Sequence[Gpu], need_mib: float, most: int) -> tuple[str, ...]:
    """Return the GPU of each worker: as many workers as have room, spread over the GPUs.

    Args:
        gpus: those that may be used, at least one.
        need_mib: memory that a worker takes on its GPU; 0 where it is not to limit the workers. A
            GPU whose memory is not known gets one worker.
        most: number of workers at most.

    Returns:
        At least one name of a GPU: where none has room, that of the one with the most memory.
    """
    # First one worker for each GPU, those with more memory before the others; then a second one.
    turns = sorted(
        (turn, -(gpu.free_mib or 0), place)
        for place, gpu in enumerate(gpus)
        for turn in range(_room(gpu, need_mib, most))
    )
    roomiest = max(gpus, key=lambda gpu: gpu.free_mib or 0)
    return tuple(gpus[place].name for *_, place in turns[:most]) or (roomiest.name,)


def _room(gpu: Gpu, need_mib: float, most: int) -> int:
    if not need_mib:
        return most
    return 1 if gpu.free_mib is None else min(most, int(gpu.free_mib // need_mib))


def _number(text: str) -> float | None:
    """Return a number of the listing; None for `[N/A]`, as of unified memory."""
    with suppress(ValueError):
        return float(text)
    return None
