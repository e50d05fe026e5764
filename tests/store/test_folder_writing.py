"""Files of a run folder are written atomically, and folders are never shared."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from real_command import environment

from mlptrain.errors import RunFolderError
from mlptrain.figures.artifacts import write_classification
from mlptrain.store import names, run_folder
from mlptrain.store.run_folder import RunFolder

HASH = "0123456789abcdef" * 4
ROW = {
    "epoch": 1, "loss": 0.1 + 0.2, "accuracy": 0.5, "val_loss": None, "val_accuracy": None,
    "learning_rate": 1e-3, "seconds": 2.5,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "outputs", HASH)


def python(program, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def test_the_name_holds_the_date_the_hash_and_a_random_part(folder):
    name = re.fullmatch(r"(\d+-\d+-\d+_\d+-\d+-\d+)-([0-9a-f]{8})-\w{4}", folder.path.name)
    time.strptime(name[1], "%Y-%m-%d_%H-%M-%S")
    assert name[2] == HASH[:8]


def test_threads_that_start_at_the_same_moment_never_share_a_folder(tmp_path):
    start = threading.Barrier(16)

    def create(_):
        start.wait()
        return [RunFolder.create(tmp_path / "outputs", HASH).path for _ in range(20)]

    with ThreadPoolExecutor(16) as pool:
        paths = [path for made in pool.map(create, range(16)) for path in made]
    assert len(set(paths)) == len(paths) == 320


def test_processes_that_start_at_the_same_moment_never_share_a_folder(tmp_path):
    program = (
        "import sys, pathlib; from mlptrain.store.run_folder import RunFolder;"
        "sys.stdin.readline();"
        "[print(RunFolder.create(pathlib.Path(sys.argv[1]), '0' * 64).path) for _ in range(20)]"
    )
    running = [python(program, tmp_path / "new" / "outputs", stdin=subprocess.PIPE) for _ in "abcd"]
    paths = []
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        paths += process.communicate(timeout=60)[0].split()
    assert len(set(paths)) == len(paths) == 80


def test_a_taken_name_is_drawn_again(tmp_path, monkeypatch):
    drawn = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(run_folder.secrets, "token_hex", lambda _: next(drawn))
    monkeypatch.setattr(run_folder, "datetime", FrozenClock)
    first, second = (RunFolder.create(tmp_path, HASH).path for _ in "ab")
    assert first.name.endswith("-aaaa")
    assert second.name.endswith("-bbbb")


class FrozenClock:
    @classmethod
    def now(cls):
        return time.gmtime(0) and cls()

    def strftime(self, pattern):
        return "2025-06-01_12-00-00"


@pytest.mark.parametrize("root", ["file", "file/deeper/still", "loop"])
def test_an_output_root_that_is_not_a_folder_is_an_error(root, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(RunFolderError, match="output_root=PATH"):
        RunFolder.create(tmp_path / root, HASH)


@pytest.mark.parametrize("path", ["nowhere", "x" * 5000, "~nobody-of-this-name/run", "\0"])
def test_opening_a_path_without_a_run_is_an_error(path):
    with pytest.raises(RunFolderError, match="mlptrain runs"):
        RunFolder.open(Path(path))


def test_an_exception_while_writing_leaves_the_old_content(folder, monkeypatch):
    folder.write_text(names.METRICS, "old")

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr(run_folder.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        folder.write_text(names.METRICS, "new")
    assert [path.name for path in folder.path.iterdir()] == [names.METRICS]
    assert folder.file(names.METRICS).read_text() == "old"


def test_content_that_json_cannot_hold_leaves_the_old_content(folder):
    folder.write_json(names.RUN, {"status": "running"})
    with pytest.raises(TypeError):
        folder.write_json(names.RUN, {"status": object()})
    assert folder.read_json(names.RUN) == {"status": "running"}


def test_a_killed_process_leaves_no_half_file(folder):
    program = (
        "import sys, pathlib, itertools; from mlptrain.store.run_folder import RunFolder;"
        "folder = RunFolder(pathlib.Path(sys.argv[1]));"
        "folder.write_json('metrics.json', [0] * 20_000);"
        "print('ready', flush=True);"
        "[folder.write_json('metrics.json', [n] * 20_000) for n in itertools.count()]"
    )
    for delay in (0.05, 0.11, 0.17):
        process = python(program, folder.path)
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        content = json.loads(folder.file(names.METRICS).read_text())
        assert len(content) == 20_000
        assert len(set(content)) == 1


def test_a_reader_sees_the_old_content_or_the_new_but_never_a_part(folder):
    folder.write_json(names.METRICS, [0] * 5_000)
    finished = threading.Event()

    def write():
        for number in range(60):
            folder.write_json(names.METRICS, [number] * 5_000)
        finished.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not finished.is_set():
        assert len(json.loads(folder.file(names.METRICS).read_text())) == 5_000
    writer.join()


def test_nan_and_infinity_become_null(folder):
    folder.write_json(names.METRICS, {"a": float("nan"), "b": [float("inf"), 1.5], "c": (1, 2)})
    assert folder.read_json(names.METRICS) == {"a": None, "b": [None, 1.5], "c": [1, 2]}


def test_the_history_has_its_columns_in_order_and_every_digit(folder):
    folder.write_history([ROW, {**ROW, "epoch": 2, "val_loss": 1 / 3, "val_accuracy": 0.75}])
    text = folder.file(names.HISTORY).read_text()
    assert text == (
        "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,val_macro_f1\n"
        "1,0.30000000000000004,0.5,,,0.001,2.5,\n"
        "2,0.30000000000000004,0.5,0.3333333333333333,0.75,0.001,2.5,\n"
    )


def test_the_confusion_matrix_has_class_names_as_header(folder):
    predicted = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    write_classification(folder, np.repeat([0, 1], 4), predicted, ["cat", "dog, wet"])
    assert folder.file(names.CONFUSION_MATRIX).read_text() == 'cat,"dog, wet"\n3,1\n0,4\n'


def test_latest_points_to_the_newest_run(tmp_path):
    root = tmp_path / "outputs"
    for _ in range(3):
        newest = RunFolder.create(root, HASH)
        newest.point_latest(root)
        assert (root / names.LATEST).resolve() == newest.path
    assert sorted(path.name for path in root.iterdir() if path.is_symlink()) == [names.LATEST]


def test_latest_still_points_right_when_the_outputs_are_moved(folder):
    root = folder.path.parent
    folder.point_latest(root)
    moved = root.rename(root.with_name("moved"))
    assert (moved / names.LATEST).resolve() == moved / folder.path.name


def test_a_folder_called_latest_is_not_changed(folder):
    root = folder.path.parent
    (root / names.LATEST).mkdir()
    (root / names.LATEST / "mine").write_text("precious")
    folder.point_latest(root)
    assert (root / names.LATEST / "mine").read_text() == "precious"
    assert len(list(root.iterdir())) == 2


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"null", b"3", b'"x"', b"\x00", b'{"a": "\xff"}']
)
def test_json_that_is_not_an_object_is_an_error(content, folder):
    folder.file(names.RUN).write_bytes(content)
    with pytest.raises(RunFolderError):
        folder.read_json(names.RUN)


def test_every_file_name_is_described_once(folder):
    for name in (names.HISTORY, names.MODEL):
        folder.write_text(name, "")
    assert [name for name, _ in folder.contents()] == [names.HISTORY, names.MODEL]
