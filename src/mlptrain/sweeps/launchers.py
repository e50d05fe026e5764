"""How a launcher of Hydra's runs the jobs of a sweep: the fields of `conf/launcher/NAME.yaml`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import yaml

from mlptrain.config.location import CONF, LAUNCHER


@dataclass(frozen=True)
class Launcher:
    """How jobs run. The defaults are those of a launcher without a file.

    Attributes:
        name: the choice of `hydra/launcher`.
        parallel: whether jobs run at the same time.
        separate: whether each job is a process of its own that can end alone. Where it is not, one
            dead worker takes the others with it.
        elsewhere: whether jobs may run on other machines, whose GPUs and disks this one lacks.
        children: whether jobs run in child processes of the sweep's process, which end with it.
        jobs_key: key of `hydra.launcher` with the number of jobs at the same time.
        jobs: that number; None where the launcher does not limit it.
        threads: threads of each job; None for a share of the cores.
    """

    name: str = ""
    parallel: bool = True
    separate: bool = False
    elsewhere: bool = False
    children: bool = False
    jobs_key: str | None = None
    jobs: int | None = None
    threads: int | None = None


def read_launcher(hydra: Mapping[Any, Any]) -> Launcher:
    """Return how the launcher that a command line chooses runs its jobs.

    Args:
        hydra: Hydra's own part of the composed config.
    """
    name = hydra["runtime"]["choices"]["hydra/launcher"]
    file = CONF / LAUNCHER / f"{name}.yaml"
    if not file.is_file():
        return Launcher(name)
    fields, settings = yaml.safe_load(file.read_text(encoding="utf-8")), hydra["launcher"]
    return Launcher(
        name=name,
        parallel=fields["parallel"],
        separate=fields["separate"],
        elsewhere=fields["elsewhere"],
        children=fields["children"],
        jobs_key=fields["jobs"],
        jobs=_count(settings, fields["jobs"]),
        # Such a job has no cores but those that it asks for.
        threads=_count(settings, fields["threads"]) or (1 if fields["threads"] else None),
    )


def most_jobs_of_array() -> int | None:
    """Return the most jobs of one job array on this SLURM cluster; None where that is unknown."""
    command = ["scontrol", "show", "config"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):  # not a cluster with SLURM, or it does not answer
        return None
    size = re.search(r"^MaxArraySize\s*=\s*([1-9]\d*)\s*$", shown.stdout, re.MULTILINE)
    return int(size[1]) if size else None


def _count(settings: Mapping[Any, Any], key: str | None) -> int | None:
    """Return the positive number at a key; None where there is none, such as joblib's -1."""
    value: Any = settings if key is not None else None
    for part in (key or "").split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    with suppress(TypeError, ValueError):  # the launcher itself refuses what is no number
        return int(value) if int(value) > 0 else None
    return None
