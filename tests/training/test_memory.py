"""A worker trains many cells: what one of them took is given back before the next."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mlptrain

pytestmark = pytest.mark.slow

CELLS = 3
WORKER = """
import gc, json, sys
from pathlib import Path
from mlptrain.config.compose import compose
from mlptrain.store.run_folder import RunFolder
from mlptrain.training.run import finish_run
from mlptrain.training.views.plain import View

def graphs():
    from tensorflow.python.framework.func_graph import FuncGraph
    gc.collect()
    return sum(isinstance(o, FuncGraph) and "update_weights" in o.name for o in gc.get_objects())

class Counting(View):
    def epoch_done(self, row, best):
        during.append(graphs())

during, after = [], []
for seed in range(int(sys.argv[1])):
    words = ["data=cifar10_mini", "data.limit=72", "train.epochs=1", "artifacts=minimal",
             "model.hidden=[16]"]
    config = compose([*words, f"seed={seed}", "runtime.threads=1"]).config
    folder = RunFolder(Path(f"cell-{seed}"))
    folder.path.mkdir()
    finish_run(config, folder, Counting(), ["mlptrain"])
    after.append(graphs())
print(json.dumps([during, after]))
"""


def test_no_graph_of_a_cell_remains_after_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(CELLS)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(mlptrain.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    during, after = json.loads(done.stdout.splitlines()[-1])
    assert len(during) == CELLS
    assert min(during) >= 1  # it is found while it is there
    assert after == [0] * CELLS
