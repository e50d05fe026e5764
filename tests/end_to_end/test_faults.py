"""What goes wrong around a run: the disk is full, its folder vanishes, it is told to go."""

import json
import os
import shutil
import signal
import subprocess

import pytest
from real_command import LONG, MINI, finish, history, mlptrain_command, start, wait_for_epochs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX"),
]


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system of its own can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def status(folder):
    return json.loads((folder / "run.json").read_text())["status"]


def test_on_a_full_disk_the_run_is_interrupted_and_goes_on_once_there_is_room(small_disk, tmp_path):
    # The checkpoint of 1.7 million parameters does not fit; everything before it does.
    ended = mlptrain_command(tmp_path, MINI, "train.epochs=2", f"output_root={small_disk}")
    assert ended.code == 1, ended.err
    assert "No space left on device" in ended.err
    assert "make room, then: mlptrain resume" in ended.err
    (folder,) = [path for path in small_disk.iterdir() if path.is_dir() and path.name != "latest"]
    assert status(folder) == "interrupted"
    assert not list(folder.rglob("*.part"))
    subprocess.run(["mount", "-o", "remount,size=300m", str(small_disk)], check=True)
    assert mlptrain_command(tmp_path, "resume", str(folder)).code == 0
    assert (status(folder), len(history(folder))) == ("finished", 2)


def test_when_the_folder_vanishes_the_message_says_so(tmp_path):
    run = start(tmp_path, *LONG, "train.epochs=200")
    folder = wait_for_epochs(run, tmp_path, 2)
    shutil.rmtree(folder, ignore_errors=True)
    ended = finish(run, tmp_path)
    assert ended.code == 1
    assert "is gone" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_go_a_run_is_marked_and_can_go_on(tmp_path, number):
    run = start(tmp_path, *LONG, "train.epochs=200")
    folder = wait_for_epochs(run, tmp_path, 2)
    run.send_signal(number)
    ended = finish(run, tmp_path, timeout=10)
    assert ended.code == 130
    facts = json.loads((folder / "run.json").read_text())
    assert (facts["status"], facts["reason"]) == ("interrupted", signal.Signals(number).name)


@pytest.mark.parametrize(
    ("part", "key", "other"),
    [("data", "checksum", "0" * 64), ("versions", "keras", "2.15.0")],
)
def test_a_resume_with_other_data_or_versions_is_refused_and_changes_nothing(
    tmp_path, part, key, other
):
    run = start(tmp_path, *LONG)
    folder = wait_for_epochs(run, tmp_path, 2)
    run.send_signal(signal.SIGTERM)
    finish(run, tmp_path)
    facts = json.loads((folder / "run.json").read_text())
    right = facts[part][key]
    facts[part][key] = other
    (folder / "run.json").write_text(json.dumps(facts))
    rows = history(folder)
    refused = mlptrain_command(tmp_path, "resume", str(folder))
    assert refused.code == 2
    assert other[:8] in refused.err
    assert "mlptrain --like" in refused.err
    assert (status(folder), history(folder)) == ("interrupted", rows)
    facts[part][key] = right
    (folder / "run.json").write_text(json.dumps(facts))
    assert mlptrain_command(tmp_path, "resume", str(folder)).code == 0
    assert len(history(folder)) == 10
