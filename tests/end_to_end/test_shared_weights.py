"""Nets of patches through the real commands: trained, opened in plain Keras, explained."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from real_command import MINI, environment, read_json

from mlptrain.data.mini import load_mini

pytestmark = pytest.mark.slow

TRAIN = [
    MINI, "data.limit=300", "train.epochs=2", "callbacks=none", "model.patch=8",
    "model.drop_path=0.3", "activation=gelu", "optimizer=adamw", "train.ema=0.9",
    "augmentation=[flip,shift,cutmix,mixup,test_flip]", "runtime.precision=mixed_bfloat16",
    "runtime.threads=1",
]  # fmt: skip
MIXER = [
    "model=mixer", "model.width=16", "model.depth=2", "model.token_width=16",
    "model.channel_width=32",
]  # fmt: skip
S2MLP = ["model=s2mlp", "model.widths=[16,24]", "model.depths=[1,1]"]
PLAIN_KERAS = """
import sys
sys.modules["mlptrain"] = None  # importing it fails
import keras, numpy as np
model = keras.models.load_model(sys.argv[1], safe_mode=True)
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))
"""


@pytest.mark.parametrize("model", [MIXER, S2MLP], ids=["mixer", "s2mlp"])
def test_a_net_of_patches_goes_through_every_command(command, tmp_path, model):
    trained = command(tmp_path, *TRAIN, *model)
    assert trained.code == 0, trained.err
    assert "drop path 0.3" in trained.out

    images, elsewhere = load_mini().test_images[:300], tmp_path / "elsewhere"
    elsewhere.mkdir()
    np.save(elsewhere / "images.npy", images)
    files = [str(trained.folder / "model.keras"), "images.npy", "out.npy"]
    known = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    opened = subprocess.run(
        [sys.executable, "-c", PLAIN_KERAS, *files],
        cwd=elsewhere, env=known, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert opened.returncode == 0, opened.stderr
    with np.load(trained.folder / "predictions.npz") as predictions:
        expected = predictions["test_probabilities"]
    np.testing.assert_allclose(np.load(elsewhere / "out.npy"), expected, atol=2e-2)

    evaluated = command(tmp_path, "evaluate", "outputs/latest", "--format", "json")
    (scores,) = json.loads(evaluated.out)["runs"].values()
    assert scores["accuracy"] == read_json(trained.folder, "metrics.json")["test_accuracy"]
    Image.fromarray(images[0]).save(tmp_path / "one.png")
    predicted = command(tmp_path, "predict", "outputs/latest", "one.png", "--format", "json")
    assert predicted.code == 0, predicted.err
    explained = command(tmp_path, "explain", "outputs/latest")
    assert explained.code == 0, explained.err
    with Image.open(trained.folder / "weights.png") as picture:
        assert min(picture.size) > 80
