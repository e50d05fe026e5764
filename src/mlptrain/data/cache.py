"""mlptrain's copy of CIFAR-10 on this machine: where it is, and how it is filled.

Each of the six files appears by one rename of a complete, verified file, and is verified again
whenever it is read. The lock only keeps two processes from fetching the same thing twice.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs
from filelock import Timeout

from mlptrain.locks import lock

Say = Callable[[str], None]
"""Receives one line for people."""


def cache_folder() -> Path:
    """Return where the six record files belong; `MLPTRAIN_CACHE` moves the whole cache."""
    override = os.environ.get("MLPTRAIN_CACHE")
    if override:
        return Path(override).expanduser().absolute() / "cifar10"
    return platformdirs.user_cache_path("mlptrain") / "cifar10"


@contextmanager
def open_workspace(say: Say) -> Iterator[Path]:
    """Have an empty folder to fetch into, beside the cache; only one process has it at a time.

    It is gone afterwards. What a killed process left in it is removed.

    Raises:
        OSError: the folders cannot be made, or do not support locks.
    """
    folder = cache_folder()
    prefix = "cifar10.partial-"
    folder.mkdir(parents=True, exist_ok=True)
    alone = lock(folder.with_name("cifar10.lock"))
    try:
        alone.acquire(timeout=0)
    except Timeout:
        say(f"Waiting for another mlptrain process that is fetching CIFAR-10 ({alone.lock_file})")
        alone.acquire()
    try:
        for leftover in folder.parent.glob(f"{prefix}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # A name of its own: the npm of a killed process may still be writing to the old folder.
        with TemporaryDirectory(
            prefix=prefix, dir=folder.parent, ignore_cleanup_errors=True
        ) as workspace:
            yield Path(workspace)
    finally:
        alone.release()
