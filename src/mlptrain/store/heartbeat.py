"""Whether the process that writes a run is still there."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

from filelock import BaseFileLock

from mlptrain.errors import RunFolderError
from mlptrain.locks import FRESH_SECONDS, LockFile, lock
from mlptrain.machine import process_exists
from mlptrain.store import names
from mlptrain.store.reading import read_json


def claim(folder: Path, timeout: float = -1) -> BaseFileLock | LockFile:
    """Return the lock of a run's folder: who has it trains the run.

    A stopped (SIGSTOP) process has it too, so that no other process resumes its run.
    """

    def age() -> float:
        return seconds_since(read_json(folder, names.HEARTBEAT))

    beat = folder / names.HEARTBEAT
    return lock(folder / names.CLAIM, timeout, age if beat.is_file() else None)


def being_trained(place: object, process: str = "a process") -> RunFolderError:
    """Return the error for a run that another process is training."""
    return RunFolderError(
        "a run that is not being trained",
        f"{place}, which {process} is training",
        "wait for it to finish, or stop that process",
    )


def seconds_since(beat: Mapping[str, Any]) -> float:
    """Return the age of a heartbeat; infinite for what is none."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(str(beat["time"]))).total_seconds()
    except (KeyError, ValueError, TypeError, OverflowError):
        return inf


def alive(beat: Mapping[str, Any]) -> bool:
    """Whether a heartbeat is that of a living process.

    It must be fresh; on this host the process must exist too, so that a killed one is known at
    once.
    """
    try:
        process = int(beat["process"])
    except (KeyError, ValueError, TypeError, OverflowError):
        return False
    if seconds_since(beat) >= FRESH_SECONDS or process <= 0:
        return False
    return beat.get("host") != platform.node() or process_exists(process)
