"""A preloaded library with which no file can be locked, as on some network and cluster disks."""

import shutil
import subprocess

import pytest

SOURCE = """
#include <errno.h>
#include <stdlib.h>
int flock(int descriptor, int operation) { errno = atoi(getenv("FLOCK_ERRNO")); return -1; }
"""


def environment_without_locks(folder, number):
    """Variables for a process on such a disk; a test is skipped where nothing can be compiled."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = folder / "no_locks.so"
    command = [compiler, "-shared", "-fPIC", "-x", "c", "-o", str(library), "-"]
    if subprocess.run(command, input=SOURCE.encode(), capture_output=True).returncode:
        pytest.skip("the compiler does not work")
    return {"LD_PRELOAD": str(library), "FLOCK_ERRNO": str(number)}
