"""`model.keras` with the optimizers that average or split the weights, opened for fine-tuning."""

import json
import subprocess
import sys

import numpy as np
import pytest
from real_command import MINI, environment, history, mlptrain_command, read_json, runs

from mlptrain.data.mini import load_mini

PLAIN_KERAS = """
import json, sys
sys.modules["mlptrain"] = None  # importing it fails
import keras, numpy as np
arrays = np.load("mini.npz")
for folder in sys.argv[1:]:
    model = keras.models.load_model(folder + "/model.keras", safe_mode=True)
    before = model.evaluate(arrays["images"], arrays["labels"], verbose=0)[0]
    model.fit(arrays["images"], arrays["labels"], epochs=3, verbose=0)
    after = model.evaluate(arrays["images"], arrays["labels"], verbose=0)[0]
    settings = model.optimizer.get_config()
    weights = model.trainable_variables
    norm = next(weight for weight in weights if weight.path.endswith("gamma"))
    gamma = norm.numpy()
    model.optimizer.apply([weight * 0 for weight in weights], weights)
    print(json.dumps([type(model.optimizer).__name__, before, after, settings["learning_rate"],
                      settings.get("exclude_layers"),
                      bool((abs(norm.numpy()) < abs(gamma)).all())]))
"""
OPTIMIZERS = ("muon", "schedule_free_adamw", "adafactor")


@pytest.mark.slow
def test_the_saved_optimizers_go_on_in_plain_keras_from_the_weights_that_were_scored(tmp_path):
    done = mlptrain_command(
        tmp_path, "-m", MINI, f"optimizer={','.join(OPTIMIZERS)}", "hydra/launcher=basic",
        "train.epochs=2", "callbacks=none", "model.hidden=[32,16,16]", "model.dropout=0",
        "regularization=none", "logger=none", "schedule=cosine", "optimizer.weight_decay=0.1",
        "optimizer.decay_kernels_only=true",
    )  # fmt: skip
    assert done.code == 0, done.err
    trained = {f["config"]["optimizer"]["name"]: folder for folder, f in runs(tmp_path).items()}
    folders = [trained[name] for name in OPTIMIZERS]
    mini = load_mini()
    np.savez(tmp_path / "mini.npz", images=mini.test_images, labels=mini.test_labels)
    known = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    opened = subprocess.run(
        [sys.executable, "-c", PLAIN_KERAS, *map(str, folders)],
        cwd=tmp_path, env=known, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert opened.returncode == 0, opened.stderr
    lines = [json.loads(line) for line in opened.stdout.splitlines()]
    assert [line[0] for line in lines] == ["Muon", "ScheduleFreeAdamW", "Adafactor"]
    for folder, (_, before, after, rate, *_) in zip(folders, lines, strict=True):
        metrics = read_json(folder, "metrics.json")
        # The weights that are validated, tested and saved are the same.
        assert float(history(folder)[-1]["val_loss"]) == pytest.approx(metrics["val_loss"])
        assert before == pytest.approx(metrics["test_loss"], rel=1e-5)
        assert after < before
        configured = read_json(folder, "run.json")["config"]["optimizer"]["learning_rate"]
        assert rate == pytest.approx(configured)
        assert float(history(folder)[-1]["learning_rate"]) < configured
    # As the README says, decay_kernels_only is not saved: the norms decay too.
    assert lines[2][-1]
    assert lines[0][-2] == ["^dense_1/kernel$", "^logits/kernel$"]
