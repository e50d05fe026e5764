"""`mlptrain data check` after training: wrong labels are named, right ones are not."""

import json

import numpy as np
import pytest
from real_command import SPARE
from sklearn.datasets import load_digits

pytestmark = pytest.mark.slow

WORDS = ["data=npz", "data.image_size=8"]
TRAIN = ["model.hidden=[64]", "train.epochs=15", *SPARE]


def check(command, cwd, path):
    done = command(cwd, "data", "check", *WORDS, f"data.path={path}", "--format", "json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_labels_are_judged_by_runs_that_did_not_train_on_them(command, tmp_path):
    digits = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)
    drawn = np.random.default_rng(5)
    wrong, labels = drawn.permutation(len(images))[:108], digits.target.copy()
    labels[wrong] = (labels[wrong] + drawn.integers(1, 10, len(wrong))) % 10
    np.savez(tmp_path / "wrong.npz", images=images, labels=labels)
    np.savez(tmp_path / "right.npz", images=images, labels=digits.target)
    # Two runs that cut the splits differently judge more images than one.
    sweep = ["-m", "data.validation_fraction=0.1,0.4", "hydra/launcher=basic"]
    for words in (["data.path=wrong.npz"], ["data.path=right.npz", *sweep]):
        done = command(tmp_path, *words, *WORDS, *TRAIN)
        assert done.code == 0, done.err
    content = check(command, tmp_path, "wrong.npz")
    # 359 test and 143 validation images; the runs on the right labels are of other data.
    assert content["judged_labels"] == {"images": 502, "runs": 1}
    (finding,) = content["findings"]
    assert finding["name"] == "probably_mislabeled"
    listed = finding["evidence"]["images"]
    planted = [image["index"] in wrong for image in listed]
    assert len(listed) >= 10  # of about 30 that were held out
    assert np.mean(planted) > 0.8
    right = [image["predicted"] == str(digits.target[image["index"]]) for image in listed]
    assert np.mean(right) > 0.8
    of_two = check(command, tmp_path, "right.npz")
    assert of_two["judged_labels"] == {"images": 359 + int(0.4 * 1438), "runs": 2}
    assert of_two["findings"] == []
    # A file that is not what mlptrain writes judges nothing.
    for file in (tmp_path / "outputs").glob("*/predictions.npz"):
        file.write_bytes(b"no archive")
    assert check(command, tmp_path, "wrong.npz")["judged_labels"] == {"images": 0, "runs": 0}
