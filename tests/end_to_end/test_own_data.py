"""A data set of another shape, scikit-learn's digits, through the whole pipeline."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

pytestmark = pytest.mark.slow

SMALL = ["data.image_size=8", "train.epochs=8", "callbacks=none", "model.hidden=[64]"]
FOLDER = ["data=folder", "data.path=digits", *SMALL]
NPZ = ["data=npz", "data.path=digits.npz", *SMALL]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The 1,797 images of 8 by 8 pixels, as a folder of ten classes and as arrays."""
    root = tmp_path_factory.mktemp("digits")
    bunch = load_digits()
    images = (bunch.images * (255 / 16)).round().astype(np.uint8)
    for number, (image, label) in enumerate(zip(images, bunch.target, strict=True)):
        (root / "digits" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / "digits" / str(label) / f"{number:04}.png")
    np.savez(root / "digits.npz", images=images, labels=bunch.target)
    return root


@pytest.fixture(scope="module")
def trained(digits):
    from real_command import mlptrain_command

    done = mlptrain_command(digits, *FOLDER)
    assert done.code == 0, done.err
    return done


def test_it_learns_and_the_folder_tells_of_ten_digits(trained):
    metrics = json.loads((trained.folder / "metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.9
    with (trained.folder / "confusion_matrix.csv").open() as stream:
        header, *rows = csv.reader(stream)
    assert header == [str(digit) for digit in range(10)]
    assert sum(int(cell) for row in rows for cell in row) == 359
    assert json.loads((trained.folder / "run.json").read_text())["data"]["sizes"]["test"] == 359


def test_it_predicts_and_is_scored_on_its_own_test_images(trained, command):
    sevens = sorted((trained.cwd / "digits" / "7").iterdir())[:20]
    files = [str(file) for file in sevens]
    done = command(trained.cwd, "predict", "outputs/latest", *files, "--format", "json")
    assert done.code == 0, done.err
    assert sum(answer["top"][0]["class"] == "7" for answer in json.loads(done.out)) >= 18
    scored = command(
        trained.cwd,
        *("evaluate", "outputs/latest", "--data-path", "digits", "--format", "json"),
    )
    (figures,) = json.loads(scored.out)["runs"].values()
    metrics = json.loads((trained.folder / "metrics.json").read_text())
    assert figures["accuracy"] == pytest.approx(metrics["test_accuracy"], abs=1e-9)


def test_a_path_in_a_run_is_followed_only_at_the_users_word(trained, command):
    done = command(trained.cwd, "evaluate", "outputs/latest")
    assert done.code == 1
    assert "--data-path PATH" in done.err


def test_the_same_images_as_arrays_are_scored_alike(trained, command):
    one, other = (
        json.loads(
            command(
                trained.cwd, "evaluate", "outputs/latest", "--data", source, "--format", "json"
            ).out
        )
        for source in ("digits", "digits.npz")
    )
    assert (one["images"], list(one["runs"].values())) == (
        other["images"], list(other["runs"].values()))  # fmt: skip
    assert one["images"] == 1797


def test_a_grid_on_arrays_is_reported(digits, command):
    words = ["-m", *NPZ, "seed=1,2", "name=grid", "train.epochs=2", "artifacts=minimal",
             "hydra.launcher.n_jobs=1"]  # fmt: skip
    done = command(digits, *words)
    assert done.code == 0, done.err
    again = command(digits, *words)
    assert "2 done" in again.out
    reported = command(digits, "report", "outputs/grid", "-o", "report.html")
    assert reported.code == 0, reported.err
    assert (digits / "report.html").stat().st_size > 100_000
