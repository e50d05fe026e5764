"""What a finished run leaves behind: DESIGN's files, keys, shapes and types, and no more."""

import csv
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from real_command import environment, history, read_json

from mlptrain.data.mini import load_mini
from mlptrain.datasets.cifar10 import CIFAR10_CLASSES as CLASS_NAMES

pytestmark = pytest.mark.slow

FILES = {
    ".hydra",
    "classification_report.json",
    "config.yaml",
    "confusion_matrix.csv",
    "confusion_matrix.png",
    "history.csv",
    "layers.csv",
    "layers.png",
    "learning_curves.png",
    "metrics.json",
    "model.keras",
    "predictions.npz",
    "run.json",
    "samples.png",
    "tensorboard",
    "train.log",
    "weights.png",
}
HISTORY = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds",
           "val_macro_f1"]  # fmt: skip
METRICS = [
    "train_accuracy", "train_loss", "val_accuracy", "val_loss", "val_macro_f1", "test_accuracy",
    "test_loss", "test_macro_f1", "parameters", "best_epoch", "epochs_run", "seconds",
    "reason",
]  # fmt: skip
RUN = [
    "schema_version", "run_id", "status", "reason", "config_hash", "recipe_hash", "config", "seed",
    "command", "started", "finished", "versions", "git", "data", "machine",
    "slurm_job", "speed", "resumed",
]  # fmt: skip


@pytest.fixture(scope="module")
def study(run):
    """The study's final recipe on the mini set, three epochs."""
    done = run("study")
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def folder(study):
    return study.folder


@pytest.fixture(scope="module")
def predictions(folder):
    with np.load(folder / "predictions.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_the_folder_holds_the_designs_files_and_no_more(folder):
    assert {entry.name for entry in folder.iterdir()} == FILES
    assert not [path for path in folder.rglob("*") if ".part" in path.name]


def test_all_of_it_can_be_removed(folder, command, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "outputs" / "copy")
    assert command(tmp_path, "remove", "outputs/copy", "--yes").code == 0
    assert not copy.exists()


def test_it_is_named_by_time_and_config_and_latest_points_to_it(study, folder):
    link = study.cwd / "outputs" / "latest"
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    hash8 = read_json(folder, "run.json")["config_hash"][:8]
    stamp = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d"
    assert re.fullmatch(f"{stamp}-{hash8}-[0-9a-f]{{4}}", folder.name)
    assert sorted(entry.name for entry in folder.parent.iterdir()) == [folder.name, "latest"]


def test_history_has_a_row_per_epoch_and_figures_in_range(folder):
    with (folder / "history.csv").open() as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    assert reader.fieldnames == HISTORY
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row in rows:
        assert 0 <= float(row["accuracy"]) <= 1
        assert 0 <= float(row["val_accuracy"]) <= 1
        assert float(row["loss"]) > 0
        assert row["learning_rate"] == "0.001"
        assert 0 < float(row["seconds"]) < 60


def test_metrics_have_the_designs_keys(folder):
    metrics = read_json(folder, "metrics.json")
    assert list(metrics) == METRICS
    assert metrics["parameters"] == 1_750_346
    assert metrics["epochs_run"] == 3


def test_metrics_are_of_the_best_epoch(folder):
    metrics, rows = read_json(folder, "metrics.json"), history(folder)
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert str(metrics["best_epoch"]) == best["epoch"]
    assert str(metrics["val_loss"]) == best["val_loss"]
    assert str(metrics["val_accuracy"]) == best["val_accuracy"]
    assert str(metrics["val_macro_f1"]) == best["val_macro_f1"]


def test_run_json_has_the_designs_keys(study, folder):
    facts = read_json(folder, "run.json")
    assert list(facts) == RUN
    assert facts["schema_version"] == 1
    assert facts["run_id"] == folder.name
    assert (facts["status"], facts["reason"], facts["resumed"]) == ("finished", None, [])
    assert facts["command"] == ["mlptrain", "data=cifar10_mini", "train.epochs=3"]
    assert facts["seed"] == facts["config"]["seed"] == 42
    assert len(facts["config_hash"]) == len(facts["recipe_hash"]) == 64
    assert set(facts["versions"]) == {"python", "tensorflow", "keras", "numpy", "mlptrain"}
    assert facts["data"]["name"] == "cifar10_mini"
    assert facts["data"]["sizes"] == {"train": 1_800, "validation": 200, "test": 500}
    assert set(facts["data"]) == {"name", "checksum", "sizes", "guessing"}
    assert set(facts["machine"]) == {"cpu", "cores", "threads", "accelerator"}
    assert facts["started"] <= facts["finished"]


def test_the_config_is_the_same_wherever_it_stands(folder):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config == read_json(folder, "run.json")["config"]
    assert config == yaml.safe_load((folder / ".hydra" / "config.yaml").read_text())
    overrides = yaml.safe_load((folder / ".hydra" / "overrides.yaml").read_text())
    assert overrides == ["data=cifar10_mini", "train.epochs=3"]
    assert isinstance(yaml.safe_load((folder / ".hydra" / "hydra.yaml").read_text()), dict)


def test_predictions_have_the_designs_shapes_and_types(predictions):
    forms = {name: (array.dtype.name, array.shape) for name, array in predictions.items()}
    assert forms == {
        "test_probabilities": ("float16", (500, 10)),
        "test_predicted": ("uint8", (500,)),
        "test_labels": ("uint8", (500,)),
        "validation_probabilities": ("float16", (200, 10)),
        "validation_predicted": ("uint8", (200,)),
        "validation_labels": ("uint8", (200,)),
    }
    mini = load_mini()
    np.testing.assert_array_equal(predictions["test_labels"], mini.test_labels)
    np.testing.assert_array_equal(predictions["validation_labels"], mini.train_labels[:200])
    sums = predictions["test_probabilities"].astype(np.float64).sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, atol=2e-3)


def test_every_file_describes_the_same_weights(folder, predictions):
    metrics = read_json(folder, "metrics.json")
    predicted = predictions["test_probabilities"].argmax(axis=1)
    is_right = predictions["test_predicted"] == predictions["test_labels"]
    assert is_right.mean() == metrics["test_accuracy"]
    assert (predicted == predictions["test_labels"]).mean() == metrics["test_accuracy"]
    with (folder / "confusion_matrix.csv").open() as stream:
        header, *rows = csv.reader(stream)
    assert header == list(CLASS_NAMES)
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (predictions["test_labels"], predicted), 1)
    np.testing.assert_array_equal(np.array(rows, int), expected)
    report = read_json(folder, "classification_report.json")
    assert report["accuracy"] == metrics["test_accuracy"]
    assert report["macro avg"]["f1-score"] == pytest.approx(metrics["test_macro_f1"])
    assert set(CLASS_NAMES) < set(report)


@pytest.mark.parametrize(
    "name",
    ["confusion_matrix.png", "learning_curves.png", "samples.png", "layers.png", "weights.png"],
)
def test_pictures_are_pictures(folder, name):
    from PIL import Image

    with Image.open(folder / name) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 300


PLAIN_KERAS = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
sys.modules["mlptrain"] = None  # importing it fails
import keras, numpy as np
folder, images, labels, out = sys.argv[1:]
model = keras.models.load_model(folder + "/model.keras", safe_mode=True)
images, labels = np.load(images), np.load(labels)
loss, accuracy = model.evaluate(images, labels, verbose=0)
np.savez(out, probabilities=model.predict(images, verbose=0), loss=loss, accuracy=accuracy)
"""


@pytest.fixture(scope="module")
def in_plain_keras(folder, tmp_path_factory):
    """What a process without mlptrain gets from model.keras on raw images."""
    here, mini = tmp_path_factory.mktemp("plain_keras"), load_mini()
    np.save(here / "images.npy", mini.test_images)
    np.save(here / "labels.npy", mini.test_labels)
    files = [str(here / name) for name in ("images.npy", "labels.npy", "out.npz")]
    known = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_KERAS, str(folder), *files],
        cwd=here, env=known, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(files[-1]) as arrays:
        return dict(arrays)


def test_the_model_opens_in_plain_keras_and_takes_raw_images(in_plain_keras, predictions):
    np.testing.assert_allclose(
        in_plain_keras["probabilities"], predictions["test_probabilities"], rtol=2e-3, atol=1e-4
    )


def test_the_model_is_compiled_and_scores_as_reported(in_plain_keras, folder):
    metrics = read_json(folder, "metrics.json")
    assert float(in_plain_keras["loss"]) == pytest.approx(metrics["test_loss"], rel=1e-5)
    assert float(in_plain_keras["accuracy"]) == pytest.approx(metrics["test_accuracy"], abs=1e-6)


def test_tensorboard_reads_the_figures_of_history(folder):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.util import tensor_util

    tags = {
        "train": {"epoch_loss": "loss", "epoch_accuracy": "accuracy",
                  "epoch_learning_rate": "learning_rate"},
        "validation": {"epoch_loss": "val_loss", "epoch_accuracy": "val_accuracy",
                       "epoch_macro_f1": "val_macro_f1"},
    }  # fmt: skip
    for part, columns in tags.items():
        events = reader.EventAccumulator(str(folder / "tensorboard" / part)).Reload()
        for tag, column in columns.items():
            points = [
                (event.step, float(tensor_util.make_ndarray(event.tensor_proto)))
                for event in events.Tensors(tag)
            ]
            expected = [
                (int(row["epoch"]), float(np.float32(row[column]))) for row in history(folder)
            ]
            assert points == expected


def test_the_studys_figures_are_printed(study, folder):
    metrics = read_json(folder, "metrics.json")
    for figure in (
        f"{100 * metrics['train_accuracy']:.1f} %",
        f"{100 * metrics['val_accuracy']:.1f} %",
        f"{100 * metrics['test_accuracy']:.1f} %",
        "1,750,346",
        "train 1,800",
        folder.name,
        "TensorFlow",
    ):
        assert figure in study.out
    assert study.err == ""
    assert "Traceback" not in study.out


def test_a_minimal_run_without_validation_keeps_the_tables_only(run):
    done = run("bare")
    assert done.code == 0, done.err
    tables = {
        "config.yaml", "run.json", "history.csv", "layers.csv", "metrics.json", "predictions.npz",
        ".hydra",
        "classification_report.json", "confusion_matrix.csv", "train.log",
    }  # fmt: skip
    assert {entry.name for entry in done.folder.iterdir()} == tables
    metrics = read_json(done.folder, "metrics.json")
    assert metrics["val_accuracy"] is metrics["val_loss"] is metrics["val_macro_f1"] is None
    assert metrics["best_epoch"] == 2
    for row in history(done.folder):
        assert row["val_loss"] == row["val_accuracy"] == row["val_macro_f1"] == ""
    with np.load(done.folder / "predictions.npz") as arrays:
        assert arrays["validation_probabilities"].shape == (0, 10)
        assert arrays["validation_labels"].shape == (0,)
        assert arrays["test_probabilities"].shape == (500, 10)
    assert read_json(done.folder, "run.json")["data"]["sizes"]["train"] == 2_000


def test_smoke_leaves_every_artifact_after_a_few_steps(run):
    done = run("smoke")
    assert done.code == 0, done.err
    assert {entry.name for entry in done.folder.iterdir()} == FILES
    assert len(history(done.folder)) == 2
    assert read_json(done.folder, "run.json")["data"]["sizes"]["train"] <= 400


def test_json_files_are_strict_json(folder):
    def refuse(constant):
        raise AssertionError(constant)

    for file in folder.glob("*.json"):
        json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
