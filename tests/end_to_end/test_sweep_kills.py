"""A sweep whose parent is killed at random moments, the command given again each time.

`MLPTRAIN_KILLS=20 pytest -m kills tests/end_to_end/test_sweep_kills.py` is the full form.
"""

import csv
import json
import os
import random
import time

import pytest
from real_command import finish, start_fresh

pytestmark = [
    pytest.mark.slow,
    pytest.mark.kills,
    pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX"),
]

KILLS = int(os.environ.get("MLPTRAIN_KILLS", "2"))
SWEEP = [
    "-m", "activation=relu,tanh,gelu", "initializer=he_normal,glorot_uniform", "seed=1,2",
    "data=cifar10_mini", "train.epochs=8", "artifacts=minimal", "model=baseline",
]  # fmt: skip


def results(cwd):
    """(activation, initializer, seed) → history without seconds, and metrics."""
    cells = {}
    for file in (cwd / "outputs").rglob("run.json"):
        facts = json.loads(file.read_text())
        assert facts["status"] == "finished", (file, facts["status"], facts["reason"])
        config = facts["config"]
        key = (config["activation"]["name"], config["initializer"]["name"], facts["seed"])
        assert key not in cells, f"{key} was trained twice"
        with (file.parent / "history.csv").open(newline="") as stream:
            rows = [{k: v for k, v in r.items() if k != "seconds"} for r in csv.DictReader(stream)]
        metrics = json.loads((file.parent / "metrics.json").read_text())
        cells[key] = rows, {k: v for k, v in metrics.items() if k != "seconds"}
    return cells


def test_killed_at_random_moments_every_cell_is_done_once_with_the_same_result(tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    done = finish(start_fresh(undisturbed, *SWEEP), undisturbed)
    assert done.code == 0, done.err
    moments = random.Random(20261124)
    for _ in range(KILLS):
        sweep = start_fresh(killed, *SWEEP)
        time.sleep(moments.uniform(0.5, 14))
        sweep.kill()
        sweep.wait()  # its workers may still be there when the command is given again
        sweep.stdout.close()
        sweep.stderr.close()
    done = finish(start_fresh(killed, *SWEEP), killed)
    assert done.code == 0, done.err
    assert len(results(killed)) == 12
    assert results(killed) == results(undisturbed)
