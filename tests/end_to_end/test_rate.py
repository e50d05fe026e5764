"""`mlptrain rate`: a range test with the real command, and what it leaves behind."""

import csv
import json
import shlex

import numpy as np
import pytest
from PIL import Image
from real_command import MINI
from sklearn.datasets import load_digits

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import compose_one

NET = ["model.hidden=[16]", "model.batch_norm=false"]


def rate(command, cwd, *words):
    """The JSON that the command prints, and the folder that it names."""
    done = command(cwd, "rate", *words, "--format", "json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    return content, cwd / content.pop("folder")


@pytest.mark.slow
def test_the_rate_is_suggested_written_down_and_repeatable(command, tmp_path):
    words = [MINI, *NET, "optimizer=adam", "optimizer.learning_rate=0.5", "tags=[a b]"]
    content, folder = rate(command, tmp_path, *words)
    suggested = content["suggested_rate"]
    assert 1e-5 < suggested < 0.1
    assert content["lowest_loss"] < content["first_loss"]
    assert content["diverged_at"] is None or content["diverged_at"] > suggested
    # What it says to type trains the same recipe with that rate.
    typed = shlex.split(content["command"])
    assert typed[0] == "mlptrain"
    config = compose_one(CommandLine.parse(typed[1:])).config
    assert config.optimizer.learning_rate == suggested
    assert (config.optimizer.name, config.model.hidden, config.tags) == ("adam", [16], ["a b"])
    # The folder has the course, the result and the picture, and is no run.
    assert sorted(p.name for p in folder.iterdir()) == ["rate.csv", "rate.json", "rate.png"]
    assert json.loads((folder / "rate.json").read_text()) == content
    with (folder / "rate.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["learning_rate"]) for row in rows] == content["rates"]
    assert [float(row["loss"]) for row in rows] == content["losses"]
    with Image.open(folder / "rate.png") as picture:
        assert picture.size == (1200, 690)
    assert [p.name for p in (tmp_path / "outputs").iterdir()] == ["rate_tests"]
    # Again, and as text: the same losses, so the same rate.
    again = command(tmp_path, "rate", *words)
    assert f"suggested rate: {suggested:g} (the config has 0.5)" in again.out
    later = max((tmp_path / "outputs/rate_tests").iterdir(), key=lambda p: p.stat().st_mtime)
    assert json.loads((later / "rate.json").read_text()) == content
    assert later != folder


@pytest.mark.slow
def test_own_images_another_family_and_an_earlier_runs_config(command, tmp_path):
    digits = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)
    np.savez(tmp_path / "digits.npz", images=images, labels=digits.target)
    data = ["data=npz", "data.path=digits.npz", "data.image_size=8", "data.class_weights=balanced"]
    net = ["model=residual", "model.width=16", "model.blocks=1", "optimizer=lion"]
    content, _ = rate(command, tmp_path, *data, *net, "augmentation=mixup", "train.ema=0.9")
    assert 1e-6 < content["suggested_rate"] < 0.1
    trained = command(tmp_path, *data, *net, "train.epochs=1", "artifacts=minimal")
    assert trained.code == 0, trained.err
    content, _ = rate(command, tmp_path, "--like", "outputs/latest", "optimizer=sgd")
    assert content["optimizer"] == "sgd"
    assert content["command"].startswith("mlptrain --like outputs/latest optimizer=sgd optimizer.l")


@pytest.mark.slow
def test_a_net_that_cannot_learn_gets_no_rate(command, tmp_path):
    content, folder = rate(command, tmp_path, MINI, *NET, "initializer=zeros")
    assert (content["suggested_rate"], content["command"]) == (None, None)
    assert "does not fall" in content["reason"]
    assert (folder / "rate.png").is_file()


@pytest.mark.parametrize(
    "words",
    [
        ("optimizer=adm",),
        ("optimizer.learning_rate=0",),
        ("seed=1,2",),
        ("-m", "seed=1"),
        ("study=full",),
        ("--format", "csv"),
        ("--like", "nowhere"),
        ("data=folder", "data.path=nowhere"),
        ("data=cifar10", "data.path=nowhere"),
        ("output_root=/proc/nowhere",),
        ("outputs/latest",),
    ],
)
def test_bad_input_is_refused(mlptrain, assert_refused, words):
    assert_refused(mlptrain("rate", *words))
