"""`keras.json` in the user's folders: nothing in it changes a run, its model or who reads them."""

import json
import re
import zipfile

import numpy as np
import pytest
from real_command import finish, history, read_json, start_fresh

pytestmark = pytest.mark.slow

SETTINGS = {
    "image_data_format": "channels_first",
    "floatx": "float16",
    "epsilon": 0.5,
    "backend": "jax",
}


@pytest.fixture
def real_command(tmp_path, monkeypatch):
    """(content of keras.json, variable of its folder, words) → that command's end."""

    def call(content, variable, *words):
        home = tmp_path / variable
        folder = home if variable == "KERAS_HOME" else home / ".keras"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "keras.json").write_text(content)
        with monkeypatch.context() as patch:
            patch.delenv("KERAS_HOME", raising=False)
            patch.setenv(variable, str(home))
            done = finish(start_fresh(tmp_path, *words), tmp_path)
        assert (folder / "keras.json").read_text() == content
        return done

    return call


def description(model):
    """What Keras builds, wherever it opens the file."""
    with zipfile.ZipFile(model) as archive:
        text = archive.read("config.json").decode()
    return re.sub(r'"shared_object_id": \d+', "", text)


def test_nothing_in_keras_json_changes_a_run_its_model_or_an_evaluation(run, real_command):
    plain = run("first")
    words = read_json(plain.folder, "run.json")["command"][1:]
    done = real_command(json.dumps(SETTINGS), "HOME", *words)
    assert done.code == 0, done.err
    assert history(done.folder) == history(plain.folder)
    for name in ("test_probabilities", "validation_probabilities"):
        with_file, usual = (
            np.load(f / "predictions.npz")[name] for f in (done.folder, plain.folder)
        )
        np.testing.assert_array_equal(with_file, usual)
    assert description(done.folder / "model.keras") == description(plain.folder / "model.keras")
    figures = read_json(plain.folder, "metrics.json")
    # A model from elsewhere is read with such a file, and with a damaged one.
    for folder, content, variable in [
        (plain.folder, json.dumps(SETTINGS), "KERAS_HOME"),
        (plain.folder, json.dumps([SETTINGS]), "HOME"),
    ]:
        words = ["evaluate", str(folder), "--format", "json"]
        scores = real_command(content, variable, *words)
        assert scores.code == 0, scores.err
        (only,) = json.loads(scores.out)["runs"].values()
        assert only["accuracy"] == figures["test_accuracy"]
