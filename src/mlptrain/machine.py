"""The versions, source revision and machine that a run is made with."""

import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mlptrain
from mlptrain.errors import ConfigError
from mlptrain.limits import core_limit

_SHARED_MEMORY = "/dev/shm"


def versions() -> dict[str, str]:
    """Return the versions that can change a result."""
    numbers = {"python": platform.python_version()}
    for package in ("tensorflow", "keras", "numpy"):
        try:
            numbers[package] = version(package)
        except PackageNotFoundError:  # tensorflow-cpu, for example, installs under another name
            numbers[package] = "unknown"
    return {**numbers, "mlptrain": mlptrain.__version__}


def git_state() -> dict[str, Any] | None:
    """Return commit and dirtiness of mlptrain's source; None if it is not a git checkout."""
    source = Path(__file__).resolve().parents[3]
    if not (source / ".git").exists():
        return None
    try:
        commit = _git(source, "rev-parse", "HEAD")
        dirty = bool(_git(source, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": dirty}


def _git(source: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(source), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=5,
    ).stdout.strip()


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return core_limit()[0]


def process_exists(process: int) -> bool:
    """Return whether a process with that number exists on this host, whoever owns it."""
    import psutil

    try:
        return psutil.pid_exists(process)
    except OverflowError:  # from a file that no process wrote
        return False


def use_temporary_folder() -> None:
    """Have a folder for temporary files, which libraries need; shared memory where no disk has one.

    Raises:
        ConfigError: there is none.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        if not os.access(_SHARED_MEMORY, os.W_OK | os.X_OK):
            raise ConfigError(
                "a folder for temporary files",
                "no such folder that can be written to and has room",
                "set TMPDIR to a folder that can be written to",
            ) from None
        tempfile.tempdir = os.environ["TMPDIR"] = _SHARED_MEMORY


def peak_memory() -> int:
    """Return the most memory that this process has had resident, in bytes, with shared pages."""
    import psutil

    usage = psutil.Process().memory_info()
    if sys.platform == "win32":
        return int(usage.peak_wset)
    import resource

    # Linux counts KiB, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def cpu_name() -> str:
    """Return the processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
