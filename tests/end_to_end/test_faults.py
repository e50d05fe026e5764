"""What goes wrong around a run: the disk is full, its folder vanishes, a signal ends it."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_command import (
    LONG,
    MINI,
    SPARE,
    environment,
    finish,
    history,
    mlptrain_command,
    start,
    start_fresh,
    status,
    wait_for_epochs,
)

from mlptrain.store.run_folder import RunFolder
from mlptrain.training import checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX"),
]

# An epoch of seconds, so that what happens falls into its middle.
SLOW_EPOCHS = [MINI, *SPARE, "train.epochs=50", "train.batch_size=2", "model.hidden=[1024]"]


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system of its own can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def broken_disk(tmp_path):
    """A disk, what makes it read-only as after a fault, files being open, and what mends it."""
    place, image = tmp_path / "disk", tmp_path / "disk.image"
    place.mkdir()
    mount = ["mount", "-o", "loop,errors=remount-ro", str(image), str(place)]
    with image.open("wb") as file:
        file.truncate(400 << 20)
    try:
        for command in (["mkfs.ext4", "-q", str(image)], mount):
            subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system of its own can be made here")

    def mend():
        subprocess.run(["umount", str(place)], check=True)
        subprocess.run(mount, check=True, capture_output=True)

    yield place, lambda: remount(place, "abort"), mend
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place, options):
    """Until no file on it is being written, if it is to become read-only."""
    for _ in range(500):
        done = subprocess.run(
            ["mount", "-o", f"remount,{options}", str(place)], capture_output=True
        )
        if done.returncode == 0:
            return
        time.sleep(0.01)
    raise AssertionError(done.stderr)


def test_on_a_full_disk_the_run_is_interrupted_and_goes_on_once_there_is_room(small_disk, tmp_path):
    # The checkpoint of 1.7 million parameters does not fit; everything before it does.
    words = [MINI, *SPARE, "train.epochs=2", f"output_root={small_disk}"]
    ended = mlptrain_command(tmp_path, *words)
    assert ended.code == 1, ended.err
    assert "No space left on device" in ended.err
    assert "free some, then: mlptrain resume" in ended.err
    (folder,) = [path for path in small_disk.iterdir() if path.is_dir() and path.name != "latest"]
    assert status(folder) == "interrupted"
    assert not list(folder.rglob("*.part"))
    remount(small_disk, "size=300m")
    assert mlptrain_command(tmp_path, "resume", str(folder)).code == 0
    assert (status(folder), len(history(folder))) == ("finished", 2)


def fill(disk, leaving):
    """Fill a disk but for some bytes."""
    free = shutil.disk_usage(disk).free
    (disk / "filling").write_bytes(bytes(free - leaving))


@pytest.mark.parametrize("leaving", [0, 16 << 10])
def test_a_run_that_a_full_disk_keeps_from_beginning_leaves_nothing(small_disk, tmp_path, leaving):
    fill(small_disk, leaving)
    ended = mlptrain_command(tmp_path, MINI, *SPARE, f"output_root={small_disk}")
    assert ended.code == 1
    assert f"expected: free space on the disk of {small_disk}\n" in ended.err
    assert [path.name for path in small_disk.iterdir()] == ["filling"]


def test_a_sweep_on_a_full_disk_says_so_and_continues_once_there_is_room(small_disk, tmp_path):
    fill(small_disk, 60 << 10)
    sweep = ["-m", "seed=1,2", MINI, *SPARE, "train.epochs=1", "model.hidden=[8]",
             f"output_root={small_disk}"]  # fmt: skip
    ended = mlptrain_command(tmp_path, *sweep)
    assert ended.code == 1
    assert f"expected: free space on the disk of {small_disk}/seed\n" in ended.err
    assert not list(small_disk.rglob("*.part"))
    (small_disk / "filling").unlink()
    ended = mlptrain_command(tmp_path, *sweep)
    assert ended.code == 0, ended.err
    assert "2 cells: 2 done" in ended.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_what_a_full_disk_keeps_from_being_printed_is_no_bug():
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "mlptrain", "options"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment())
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"No space left\n")


def test_a_read_only_output_root_is_refused_before_anything_is_trained(small_disk, tmp_path):
    remount(small_disk, "ro")
    ended = mlptrain_command(tmp_path, MINI, f"output_root={small_disk}/runs")
    assert ended.code == 2
    assert f"received: {small_disk}/runs: Read-only file system" in ended.err
    assert "output_root=PATH" in ended.err
    assert list(small_disk.iterdir()) == []


def test_when_the_disk_turns_read_only_the_run_ends_and_goes_on_once_it_can_be_written(
    broken_disk, tmp_path, run
):
    disk, fault, mend = broken_disk
    cwd = disk / "here"
    training = start(cwd, *LONG)
    folder = wait_for_epochs(training, cwd, 1)
    fault()
    ended = finish(training, cwd)
    assert ended.code == 1, ended.err
    assert "Read-only file system" in ended.err
    assert "mlptrain resume continues" in ended.err
    before = history(folder)
    assert status(folder) == "running"  # which is why readers ask whether its process lives
    mend()
    assert mlptrain_command(tmp_path, "resume", str(folder)).code == 0
    assert history(folder)[: len(before)] == before
    assert history(folder) == history(run("undisturbed").folder)
    assert status(folder) == "finished"


def test_when_the_folder_vanishes_the_message_says_so_and_it_stays_gone(tmp_path):
    training = start(tmp_path, *SLOW_EPOCHS)
    folder = wait_for_epochs(training, tmp_path, 1)
    folder.rename(tmp_path / "aside")  # at once, where rmtree would race with the run's files
    shutil.rmtree(tmp_path / "aside")
    ended = finish(training, tmp_path)
    assert ended.code == 1
    assert f"{folder} was removed" in ended.err
    assert "train it again" in ended.err
    assert "Traceback" not in ended.err
    assert not folder.exists()


def test_a_run_that_is_ended_in_the_middle_of_an_epoch_is_marked_as_interrupted(tmp_path):
    training = start(tmp_path, *SLOW_EPOCHS)
    folder = wait_for_epochs(training, tmp_path, 1)
    time.sleep(0.5)
    epochs = len(history(folder))
    training.send_signal(signal.SIGTERM)
    ended = finish(training, tmp_path)
    assert ended.code == 130
    assert len(history(folder)) <= epochs + 1  # it does not wait for the end of an epoch of seconds
    facts = json.loads((folder / "run.json").read_text())
    assert (facts["status"], facts["reason"]) == ("interrupted", "SIGTERM")
    state = checkpoint.load(RunFolder(folder), facts["config_hash"])
    assert state.epoch == len(history(folder))
    assert f"to resume: mlptrain resume {folder.relative_to(tmp_path)}" in ended.out


def test_when_the_terminal_is_closed_the_run_is_marked_and_no_print_fails_it(tmp_path):
    keyboard, terminal = os.openpty()
    training = subprocess.Popen(
        ["setsid", "--ctty", "--wait", sys.executable, "-m", "mlptrain", *LONG, "train.epochs=500"],
        cwd=tmp_path,
        env={**environment(), "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    while not [file for file in tmp_path.glob("outputs/*/history.csv") if history(file.parent)]:
        if select.select([keyboard], [], [], 0.05)[0]:
            os.read(keyboard, 1 << 16)
    os.close(keyboard)
    assert training.wait(60) == 130
    facts = json.loads((tmp_path / "outputs" / "latest" / "run.json").read_text())
    assert (facts["status"], facts["reason"]) == ("interrupted", "SIGHUP")


def test_a_run_whose_output_nobody_reads_any_more_goes_on(tmp_path):
    training = start(tmp_path, *LONG)
    folder = wait_for_epochs(training, tmp_path, 1)
    training.stdout.close()
    assert (training.wait(300), training.stderr.read()) == (0, "")
    training.stderr.close()
    assert status(folder) == "finished"


def press_ctrl_c_until_it_ends(training):
    pressed = time.monotonic()
    while training.poll() is None and time.monotonic() - pressed < 30:
        training.send_signal(signal.SIGINT)
        time.sleep(0.01)
    # Python ends by the signal itself where it strikes after the last line of the program.
    assert training.poll() in (130, -signal.SIGINT)


def test_ctrl_c_again_and_again_ends_at_once_and_loses_no_epoch(tmp_path, run):
    training = start(tmp_path, *LONG)
    folder = wait_for_epochs(training, tmp_path, 2)
    press_ctrl_c_until_it_ends(training)
    finish(training, tmp_path)
    before = history(folder)
    (listed,) = json.loads(mlptrain_command(tmp_path, "runs", "--format", "json").out)
    # A signal may strike while the status itself is written; then its process is gone.
    assert listed["status"] in ("interrupted", "stale")
    resumed = mlptrain_command(tmp_path, "resume", str(folder))
    assert resumed.code == 0, resumed.err
    assert history(folder)[: len(before)] == before
    assert history(folder) == history(run("undisturbed").folder)


def test_ctrl_c_again_and_again_ends_the_import_of_tensorflow_too(tmp_path):
    training = start_fresh(tmp_path, *LONG)
    while not (beats := list(tmp_path.glob("outputs/*/heartbeat.json"))):
        time.sleep(0.01)
    time.sleep(0.5)
    press_ctrl_c_until_it_ends(training)
    finish(training, tmp_path)
    assert status(beats[0].parent) in ("interrupted", "running")


def test_a_resume_under_another_config_data_or_versions_is_refused_and_changes_nothing(tmp_path):
    run = start(tmp_path, *LONG)
    folder = wait_for_epochs(run, tmp_path, 2)
    run.send_signal(signal.SIGTERM)
    finish(run, tmp_path)
    right, rows = (folder / "run.json").read_text(), history(folder)

    def refused(*words):
        done = mlptrain_command(tmp_path, "resume", str(folder), *words)
        assert done.code == 2
        assert (status(folder), history(folder)) == ("interrupted", rows)
        return done.err

    assert "optimizer.learning_rate=0.01" in refused("optimizer.learning_rate=0.01")
    for part, key, other in [("data", "checksum", "0" * 64), ("versions", "keras", "2.15.0")]:
        facts = json.loads(right)
        facts[part][key] = other
        (folder / "run.json").write_text(json.dumps(facts))
        error = refused()
        assert other[:8] in error
        assert "mlptrain --like" in error

    facts = json.loads(right)
    facts["config"]["optimizer"]["learning_rate"] = 0.01
    facts["config"]["train"]["epochs"] = 20
    (folder / "run.json").write_text(json.dumps(facts))
    block = dict(line.strip().split(":", 1) for line in refused().splitlines() if ":" in line)
    assert "optimizer.learning_rate=0.001; train.epochs=10" in block["expected"]
    assert "optimizer.learning_rate=0.01; train.epochs=20" in block["received"]
    assert "mlptrain --like" in block["to do"]

    (folder / "run.json").write_text(right)
    (folder / ".metrics.json.4711.part").write_text("what a kill left")
    assert mlptrain_command(tmp_path, "resume", str(folder)).code == 0
    assert len(history(folder)) == 10
    assert not list(folder.rglob("*.part"))
