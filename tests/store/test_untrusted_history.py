"""`history.csv` of an untrusted run folder, which only reports and curves read."""

import subprocess
import sys

import pytest
from crafted import write_run
from real_command import environment

from mlptrain.store.runs import read_run


@pytest.fixture
def history_of(tmp_path):
    """Content of `history.csv` → the rows that are read."""

    def read(content):
        folder = write_run(tmp_path / "run")
        (folder / "history.csv").write_bytes(content)
        return read_run(folder).history

    return read


HEADER = b"epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,val_macro_f1\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n" * 1_000,
        b"loss,epoch\n1,1\n",
        b"\xff\xfe",
        b"x" * 200_000,
        HEADER + b'"' + b"x" * 200_000,
        HEADER + b"1," + b"9" * 150_000 + b"\n",
        b" " * ((8 << 20) + 1),
        b"\x00" * 1_000,
    ],
)
def test_a_malformed_history_is_empty(history_of, content):
    assert history_of(content) == []


def test_values_of_a_history_that_are_not_finite_are_left_out(history_of):
    rows = history_of(HEADER + b"1,nan,inf,-inf,1e400,x,\n2,0.5\n3,1,2,3,4,5,6,7,8\n")
    empty = dict.fromkeys(HEADER.decode().strip().split(","))
    assert rows[0] == {**empty, "epoch": 1.0}
    assert rows[1] == {**empty, "epoch": 2.0, "loss": 0.5}
    assert rows[2] == {key: float(n or 3) for n, key in enumerate(empty)} | {"epoch": 3.0}


def test_a_history_behind_a_link_is_not_read(tmp_path):
    folder = write_run(tmp_path / "run")
    (tmp_path / "secret.csv").write_bytes(HEADER + b"1,2,3,4,5,6,7\n")
    (folder / "history.csv").symlink_to(tmp_path / "secret.csv")
    assert read_run(folder).history == []


def test_a_history_of_millions_of_rows_takes_less_than_1_gb(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "history.csv").write_bytes(b"epoch,loss,accuracy\n" + b"1\n" * 4_000_000)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from mlptrain.store.runs import read_run\n"
        "read_run(Path(sys.argv[1])).history\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
