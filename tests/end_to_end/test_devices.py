"""`runtime.device=gpu` on a machine without one."""

import json
import shutil

import pytest
from real_command import MINI, mlptrain_command, read_json

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.parametrize("words", [[], ["-m", "seed=1,2"]])
def test_without_a_gpu_nothing_is_made_and_only_that_is_said(tmp_path, words):
    words = [*words, MINI, "train.epochs=1", "runtime.device=gpu"]
    done = mlptrain_command(tmp_path, *words)
    assert done.code == 2
    assert done.err.splitlines()[:3] == [
        "Config error",
        "  expected: a GPU that TensorFlow can use for runtime.device=gpu",
        "  received: no such GPU",
    ]
    assert len(done.err.splitlines()) == 4
    assert list(tmp_path.iterdir()) == []


def test_a_run_from_a_machine_with_a_gpu_stays_as_it_is(tmp_path, run):
    folder = tmp_path / "run"
    shutil.copytree(run("first").folder, folder)
    facts = read_json(folder, "run.json")
    facts["status"], facts["config"]["runtime"]["device"] = "interrupted", "gpu"
    before = json.dumps(facts)
    (folder / "run.json").write_text(before)
    done = mlptrain_command(tmp_path, "resume", str(folder))
    assert done.code == 2
    assert "no such GPU" in done.err
    assert (folder / "run.json").read_text() == before
