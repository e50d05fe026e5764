"""Large arrays that the workers of a sweep make once and map into memory together.

Each worker would otherwise hold images and noise of its own: 290 MB of CIFAR-10 for every core.
As files they are in memory once, in the system's page cache, whichever processes map them.
"""

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from mlptrain.data.arrays import ImageArrays
from mlptrain.data.cache import cache_folder
from mlptrain.locks import lock
from mlptrain.machine import process_exists

_folder: ContextVar[Path | None] = ContextVar("folder", default=None)
_PREFIX = "cifar10.sweep-"


@contextmanager
def shared_folder() -> Iterator[Path | None]:
    """Have a folder for the arrays of a sweep while the block runs; `share_arrays` uses it.

    It stands beside the cache, which has the room; where nothing can be written there is None, and
    each worker makes its own arrays. Folders of killed sweeps are removed.
    """
    root = cache_folder().parent
    host = platform.node()
    try:
        root.mkdir(parents=True, exist_ok=True)
        for leftover in root.glob(f"{_PREFIX}*-*-*"):
            owner, process, _ = leftover.name.removeprefix(_PREFIX).rsplit("-", 2)
            if owner == host and process.isdigit() and not process_exists(int(process)):
                shutil.rmtree(leftover, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{host}-{os.getpid()}-", dir=root))
    except OSError:
        yield None
        return
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def share_arrays(folder: Path | None) -> Iterator[None]:
    """Have `shared_arrays` keep arrays in the folder while the block runs; None shares nothing."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def shared_arrays(
    name: str, make: Callable[[], Mapping[str, np.ndarray]]
) -> Mapping[str, np.ndarray]:
    """Return what `make` returns; in a sweep, the first worker makes it and all map it.

    Args:
        name: tells these arrays from others; two calls with the same name mean the same bytes.
        make: makes the arrays, each under a name of its own.

    Returns:
        The arrays; mapped ones start on a 64-byte boundary, and writing to them changes a
        private copy.
    """
    root = _folder.get()
    if root is None or not root.is_dir():
        return make()
    folder = root / name
    try:
        with lock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                made = make()
                try:
                    _save(folder, made)
                except OSError:  # no room: keep what is made
                    return made
        return {path.stem: np.load(path, mmap_mode="c") for path in folder.glob("*.npy")}
    except OSError:
        return make()


def shared_images(name: str, read: Callable[[], ImageArrays]) -> ImageArrays:
    """Return what `read` gives, shared as by `shared_arrays`."""
    return ImageArrays(**shared_arrays(name, lambda: vars(read())))


def _save(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Save the arrays so that the folder appears by one rename, complete."""
    aside = folder.with_suffix(".part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        for name, array in arrays.items():
            np.save(aside / f"{name}.npy", array, allow_pickle=False)
        aside.replace(folder)
    except OSError:
        with contextlib.suppress(OSError):
            shutil.rmtree(aside)
        raise
