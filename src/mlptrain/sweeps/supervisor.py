"""The process that runs a sweep or a search, as its workers see it."""

import os
import platform
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import BaseFileLock, Timeout

from mlptrain.data.shared import share_arrays, shared_folder
from mlptrain.datasets import DataSettings
from mlptrain.gpus import VISIBLE
from mlptrain.locks import LockFile, lock
from mlptrain.sweeps.launchers import Launcher
from mlptrain.training.interruption import Interruption

_training = threading.Lock()
_SAFE_PATH = "PYTHONSAFEPATH"


@dataclass(frozen=True)
class Supervisor:
    """What a job gets to know of the process that launched it.

    Attributes:
        process: id of that process, where jobs run in its children and end with it, else None.
        stop_file: a file that appears, with the reason, when the sweep is to stop. It reaches every
            worker: those of a batch system, and those between two cells.
        shared: folder of the arrays that all workers map; None where each makes its own.
        devices: the GPU of each worker, where they use some.
    """

    process: int | None
    stop_file: Path
    shared: Path | None
    devices: tuple[str, ...] = ()

    def reason_to_stop(self) -> str | None:
        """Return why the sweep has stopped, or None if it has not."""
        if (parent := self._parent_of_worker()) is not None and os.getppid() != parent:
            return "the sweep's process is gone"
        try:
            return self.stop_file.read_text(encoding="utf-8") or "stopped"
        except OSError:
            return None

    def stop_from_its_own_process(self, reason: str) -> None:
        """Stop the sweep where, without workers, Ctrl-C reached the cell and not the sweep."""
        if self.stop_file.name == _stop_file_name():
            self.stop_file.write_text(reason, encoding="utf-8")

    def read_images(self, datasets: Iterable[DataSettings]) -> None:
        """Read images at a path into the shared arrays, once for all workers and before one starts.

        Raises:
            ConfigError, DataError: they cannot be read, or have changed.
        """
        distinct = {data.model_dump_json(): data for data in datasets if data.path is not None}
        with share_arrays(self.shared):
            for data in distinct.values():
                data.load(print)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Map the shared arrays, and keep a worker whose sweep is gone until its run has ended."""
        with _training, share_arrays(self.shared):
            if (parent := self._parent_of_worker()) is not None:
                _end_with(parent)
                if self.devices:
                    _see_one_gpu(self.devices, self.shared)
            yield

    def _parent_of_worker(self) -> int | None:
        return None if os.getpid() == self.process else self.process


def _stop_file_name() -> str:
    """Return the name of the file with which this process stops its sweep."""
    return f".stop-{platform.node()}-{os.getpid()}"


@contextmanager
def supervise(
    root: Path, launcher: Launcher, devices: tuple[str, ...] = ()
) -> Iterator[tuple[Supervisor, Interruption]]:
    """Supervise workers while the block runs; Ctrl-C has each of them write, mark and end.

    Args:
        root: folder of the sweep or search.
        launcher: how jobs run; those that may be on another machine share no arrays.
        devices: the GPU of each worker, where they use some.

    Yields:
        What workers get to know, and the interruption with the reason to stop, if there is one.
    """
    path = root / _stop_file_name()
    path.unlink(missing_ok=True)

    def stop(reason: str) -> None:
        path.write_text(reason, encoding="utf-8")
        print("Stopping: saving the running cells … Press Ctrl-C again to stop at once.")

    interruption = Interruption(on_signal=stop)
    try:
        with (
            interruption,
            _safe_path(),
            nullcontext() if launcher.elsewhere else shared_folder() as shared,
        ):
            process = os.getpid() if launcher.children else None
            supervisor = Supervisor(process, path, shared, devices)
            yield supervisor, interruption
            # Without workers the signal may have reached a cell in this process.
            interruption.reason = interruption.reason or supervisor.reason_to_stop()
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _safe_path() -> Iterator[None]:
    """Keep workers, which are started with `python -m`, from importing the user's own files."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        del os.environ[_SAFE_PATH]
        if before is not None:
            os.environ[_SAFE_PATH] = before


@cache
def _end_with(parent: int) -> None:
    """Leave Ctrl-C to the parent; once the parent is gone, exit as soon as no cell is training.

    A worker that waits for its next cell would otherwise stay for minutes after a killed sweep.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        with _training:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@cache
def _see_one_gpu(devices: tuple[str, ...], folder: Path | None) -> BaseFileLock | LockFile | None:
    """Have TensorFlow, which this worker imports later, see one GPU.

    Returns:
        The lock of the worker's place among the GPUs, which it holds until it ends.
    """
    os.environ[VISIBLE] = devices[os.getpid() % len(devices)]
    for place, device in enumerate(devices):
        if folder is None:
            break
        held = lock(folder / f"worker-{place}.lock", timeout=0)
        with suppress(Timeout):
            held.acquire()
            os.environ[VISIBLE] = device
            return held
    return None
