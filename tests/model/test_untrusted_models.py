"""Untrusted `model.keras`: only numbers of the right shape are read from it, or it is refused.

One process evaluates them all. Whatever the file holds, `evaluate` ends in seconds, takes less than
1 GB beyond TensorFlow's own memory, says in one line what is wrong, reads no other file and runs
no code.
"""

import hashlib
import json
import re
import sys

import numpy as np
import pytest
from crafted import TINY, change_run, write_run
from model_cases import CASES, GOOD, weights, write_model
from untrusted_process import BLOCK, SECRET, in_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits as on Linux"),
]


@pytest.fixture(scope="module")
def outcomes(once):
    return once("untrusted_models", read_models)


def read_models(base):
    """Return case → (exit code, stdout, stderr, MiB)."""
    outside, cwd = base / "outside", base / "cwd"
    outside.mkdir()
    cwd.mkdir()
    (outside / "secret.h5").write_bytes(weights())
    (outside / "secret.bin").write_bytes((SECRET.encode() * 8_192)[: 3072 * 4 * 4])
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (20, 32, 32, 3), np.uint8)
    np.savez(cwd / "images.npz", images=images, labels=draw.integers(0, 10, 20))
    jobs = []
    for number, (name, (build, _, overrides)) in enumerate(CASES.items()):
        folder = write_run(base / f"case-{number:03d}", *TINY, *overrides)
        build(folder, outside)
        jobs.append([name, evaluation_of(folder)])
    before = {path: hashed(path) for path in base.rglob("*") if path.is_file()}
    results = in_process(cwd, jobs, mebibytes=12 << 10)
    after = {path: hashed(path) for path in base.rglob("*") if path.is_file()}
    for name in ("jobs.json", "results.json"):
        after.pop(cwd / name)
    assert after == before, "files were written"
    return results


def evaluation_of(folder):
    return ["evaluate", str(folder), "--data", "images.npz", "--format", "json"]


def hashed(path):
    """Return the hash of a file's beginning, and its size; the largest file is 2 GB of zeros."""
    with path.open("rb") as stream:
        return hashlib.sha256(stream.read(1 << 20)).hexdigest(), path.stat().st_size


def scores(outcome):
    (run,) = json.loads(outcome[1], parse_constant=pytest.fail)["runs"].values()
    return run


@pytest.mark.parametrize("name", CASES)
def test_an_untrusted_model_is_evaluated_or_refused(outcomes, name):
    reason = CASES[name][1]
    code, out, err, memory = outcomes[name]
    assert "Unexpected error" not in err
    assert "Traceback" not in out + err
    assert SECRET not in out + err
    assert "no exit" not in err
    if reason is GOOD:
        assert code == 0, err
        assert 0 <= scores(outcomes[name])["accuracy"] <= 1
    else:
        assert code == 2
        assert out == ""
        assert BLOCK.match(err), err
        assert re.search(re.escape(reason) if len(reason) > 1 else reason, err)
        assert len(err) < 3_000
        odd = {c for c in err if not c.isprintable()} - {"\n"}
        assert not odd, f"control codes reach the terminal: {odd}"
    if name != next(iter(CASES)):  # the first call imports TensorFlow
        assert memory < 1024, f"{memory} MiB"


@pytest.mark.parametrize(
    "name",
    [
        "layers that would run code",
        "members outside the folder",
        "arrays packed by HDF5",
        "arrays of another precision",
        "arrays that are not needed",
    ],
)
def test_the_same_numbers_give_the_same_scores_whatever_else_is_in_the_file(outcomes, name):
    assert scores(outcomes[name]) == scores(outcomes["a good model"])


def test_the_threads_of_the_run_are_not_used(tmp_path):
    folder = write_run(tmp_path / "run", *TINY)
    change_run(folder, lambda content: content["config"]["runtime"].update(threads=100_000))
    write_model(folder)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "images.npz", images=images, labels=np.zeros(2, int))
    results = in_process(tmp_path, [["one", evaluation_of(folder)]], mebibytes=12 << 10)
    assert results["one"][0] == 0, results
