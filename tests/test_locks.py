"""Locks between processes, on disks with locks and on disks without."""

import errno
import json
import os
import subprocess
import sys
import time

import pytest
from disk_without_locks import environment_without_locks
from real_command import environment

HOLD = """
import sys
from pathlib import Path
from filelock import Timeout
from mlptrain.locks import lock
try:
    with lock(Path(sys.argv[1]), timeout=float(sys.argv[2])):
        print("locked", flush=True)
        sys.stdin.read()
except Timeout:
    print("held by another", flush=True)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD")


@pytest.fixture(params=[None, "ENOLCK", "ENOTSUP", "ENOSYS"])
def process(request, tmp_path):
    """(seconds to wait) → a process that has or waits for the lock; and the file of the lock."""
    variables = {}
    if request.param is not None:
        variables = environment_without_locks(tmp_path, getattr(errno, request.param))
    started = []

    def start(seconds=0):
        one = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path / "the.lock"), str(seconds)],
            env={**environment(), **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(one)
        return one

    yield start
    for one in started:
        with one:  # closes its pipes
            one.kill()


def test_one_process_has_the_lock_until_it_ends_or_is_killed(process):
    first = process()
    assert first.stdout.readline() == "locked\n"
    assert process().stdout.readline() == "held by another\n"
    waiting = process(60)
    first.stdin.close()  # ends it
    assert waiting.stdout.readline() == "locked\n"
    waiting.kill()
    waiting.wait()
    assert process(60).stdout.readline() == "locked\n"


@pytest.mark.parametrize("process", ["ENOLCK"], indirect=True)
@pytest.mark.parametrize(("minutes", "answer"), [(1, "held by another\n"), (3, "locked\n")])
def test_a_lock_of_another_host_is_broken_once_it_is_not_renewed(
    process, tmp_path, minutes, answer
):
    first = process()
    assert first.stdout.readline() == "locked\n"
    first.kill()
    (file,) = tmp_path.glob("the.lock*")
    file.write_text(json.dumps({**json.loads(file.read_text()), "host": "another-host"}))
    renewed = time.time() - 60 * minutes
    os.utime(file, (renewed, renewed))
    assert process().stdout.readline() == answer
