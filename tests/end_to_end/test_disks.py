"""Disks as clusters have them: without locks, read-only, without a temporary folder."""

import errno
import json
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from disk_without_locks import environment_without_locks
from real_command import LONG, MINI, SPARE, environment, finish, read_json, start_fresh

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD")]


def test_on_a_disk_without_locks_the_heartbeat_decides_who_trains(tmp_path, monkeypatch):
    for name, value in environment_without_locks(tmp_path, errno.ENOLCK).items():
        monkeypatch.setenv(name, value)
    training = start_fresh(tmp_path, *LONG, "train.epochs=500")
    while not (records := list(tmp_path.glob("outputs/*/heartbeat.json"))):
        assert training.poll() is None, training.communicate()
        time.sleep(0.05)
    folder = records[0].parent
    refused = finish(start_fresh(tmp_path, "resume", str(folder)), tmp_path)
    assert refused.code == 2
    assert "being trained" in refused.err
    training.kill()
    finish(training, tmp_path)

    # As if the process had been on another host.
    (claim,) = folder.glob(".claim*")
    claim.write_text(json.dumps({**json.loads(claim.read_text()), "host": "another-host"}))
    beat = {**read_json(folder, "heartbeat.json"), "host": "another-host"}
    facts = read_json(folder, "run.json")
    facts["config"]["train"]["epochs"] = 1  # another config: refused once the lock is taken
    (folder / "run.json").write_text(json.dumps(facts))
    for hours, answer in [(0, "not being trained"), (1, "config that the run began with")]:
        beat["time"] = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        (folder / "heartbeat.json").write_text(json.dumps(beat))
        done = finish(start_fresh(tmp_path, "resume", str(folder)), tmp_path)
        assert (done.code, answer in done.err) == (2, True), done.err


@pytest.fixture
def shared_memory_folder():
    """A working directory on a disk of its own, outside the temporary folders."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


def test_without_a_temporary_folder_a_run_finishes(shared_memory_folder):
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    read_only = "for each in /tmp /var/tmp /usr/tmp; do mount -o ro,bind /proc $each; done"
    command = [sys.executable, "-m", "mlptrain", MINI, *SPARE, "train.epochs=1",
               "model.hidden=[8]"]  # fmt: skip
    training = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            f'{read_only}; ! (cd /tmp && touch a) && exec "$@"',
            "",
            *command,
        ],
        cwd=shared_memory_folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    done = finish(training, shared_memory_folder)
    assert done.code == 0, done.err
    assert read_json(done.folder, "run.json")["status"] == "finished"
