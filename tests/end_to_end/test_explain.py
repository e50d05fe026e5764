"""`mlptrain explain`: a run says what went wrong, and the command that it suggests mends it."""

import json
import shlex

import pytest
from real_command import MINI, mlptrain_command

pytestmark = pytest.mark.slow

SMALL = [
    MINI, "data.limit=600", "model.hidden=[16,8]", "model.batch_norm=false", "model.dropout=0",
    "train.epochs=3", "artifacts=minimal", "callbacks=none", "augmentation=none",
]  # fmt: skip


def explained(cwd, run="outputs/latest"):
    done = mlptrain_command(cwd, "explain", run, "--format", "json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_a_rate_that_is_too_high_is_named_at_the_end_and_the_suggested_command_mends_it(tmp_path):
    done = mlptrain_command(tmp_path, *SMALL, "optimizer=adam", "optimizer.learning_rate=0.1")
    assert done.code == 0, done.err
    assert "Finding (high): The learning rate 0.1 is too high" in done.out
    findings, _, next_commands = done.out.partition("\nnext: ")
    assert "mlptrain explain outputs/" in findings.splitlines()[-1]
    assert "mlptrain " in next_commands.splitlines()[0]
    bad = explained(tmp_path)
    finding = bad["findings"][0]
    assert (finding["name"], finding["severity"]) == ("rate_too_high", "high")
    assert finding["since_epoch"] == 1
    assert bad["notes"] == []
    assert f"  try: {finding['try'][0]}" in done.out.splitlines()
    program, *words = shlex.split(finding["try"][0])
    assert program == "mlptrain"
    assert mlptrain_command(tmp_path, *words).code == 0
    good = explained(tmp_path)
    assert "rate_too_high" not in [item["name"] for item in good["findings"]]

    both = mlptrain_command(tmp_path, "explain", bad["run"], good["run"])
    assert "optimizer.learning_rate: 0.1 → 0.001" in both.out
    assert "times as large in the first" in both.out

    mlptrain_command(tmp_path, "explain", bad["run"])
    (tmp_path / bad["run"] / "layers.csv").unlink()
    without = explained(tmp_path, bad["run"])
    assert without["findings"][0]["severity"] == "high"
    assert "layers.csv is missing" in without["notes"][0]


def test_a_run_that_diverges_says_so_with_a_command_that_works(tmp_path):
    done = mlptrain_command(tmp_path, *SMALL, "optimizer=sgd", "optimizer.learning_rate=1e6")
    assert done.code == 1
    assert "Finding (high): The training diverged" in done.out
    finding = explained(tmp_path)["findings"][0]
    assert finding["name"] == "diverged"
    _, *words = shlex.split(finding["try"][0])
    assert mlptrain_command(tmp_path, *words).code == 0
