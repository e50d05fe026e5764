"""A data set of another shape, scikit-learn's digits, through the whole pipeline."""

import csv
import json
import signal

import numpy as np
import pytest
from PIL import Image
from real_command import finish, history, start, wait_for_epochs
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
        trained.cwd, *("evaluate", "outputs/latest", "--data-path", "digits", "--format", "json")
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
    page = (digits / "report.html").read_text(encoding="utf-8")
    assert "n = 2" in page
    assert page.count("data-tooltip=") > 1


def folder_of(root, classes, number, ending=".png", shade=120):
    """Images of a shade for each class, so that a tiny net tells the classes."""
    for index, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for count in range(number):
            value = 50 + shade * index + count
            Image.new("L", (8, 8), value).save(root / name / f"{count}{ending}")


SHORT = ["data=folder", "data.path=set", "train.epochs=2", "train.batch_size=4", *SMALL[:1],
         "model.hidden=[8]", "callbacks=none"]  # fmt: skip


def test_all_bad_files_are_named_before_anything_is_written(tmp_path, command):
    folder_of(tmp_path / "set", ["a", "b"], 10)
    (tmp_path / "set" / "a" / "bad.png").write_bytes(b"no image")
    (tmp_path / "set" / "b" / "empty.jpg").write_bytes(b"")
    for words in (SHORT, ["-m", *SHORT, "seed=1,2"]):
        done = command(tmp_path, *words)
        assert done.code == 1
        assert "importing TensorFlow" not in done.out
        assert "bad.png: not a PNG" in done.err
        assert "empty.jpg: an empty file" in done.err
        assert not list(tmp_path.glob("outputs/**/run.json"))
    done = command(tmp_path, *SHORT, "data.skip_unreadable=true")
    assert done.code == 0, done.err
    assert "data check: 20 nearly_constant_images; to name the images: mlptrain data c" in done.out
    facts = json.loads((done.folder / "run.json").read_text())
    assert facts["config"]["data"]["inventory"]["skipped"] == 2
    assert facts["data"]["guessing"].keys() == {"test", "validation"}
    answered = command(tmp_path, "predict", "outputs/latest", "set/a/1.png", "set/a/bad.png")
    assert answered.code == 1
    assert "set/a/1.png" in answered.out
    assert "set/a/bad.png: not a PNG" in answered.err


def test_many_classes_in_folders_as_people_have_them(tmp_path, command):
    names = [f"n{number:08}" for number in range(41)]
    folder_of(tmp_path / "set" / "Training Set", names, 3, ending=".JPG", shade=5)
    folder_of(tmp_path / "set" / "Test Set", names, 2, ending=".JPG", shade=5)
    (tmp_path / "set" / "Training Set" / names[0] / "IMG_1.HEIC").write_bytes(b"")
    (tmp_path / "set" / "Training Set" / names[0] / "Thumbs.db").write_bytes(b"")
    (tmp_path / "set" / "sample_submission.csv").write_text("id,label")
    words = [*SHORT[:-1], "callbacks=checkpoint", "callbacks.checkpoint.monitor=val_macro_f1"]
    done = command(tmp_path, *words)
    assert done.code == 0, done.err
    assert f"left out: {tmp_path}/set/Training Set/{names[0]}/IMG_1.HEIC" in done.out
    metrics = json.loads((done.folder / "metrics.json").read_text())
    assert f"Test top-5 accuracy {100 * metrics['test_top5_accuracy']:.1f} %" in done.out
    report = json.loads((done.folder / "classification_report.json").read_text())
    assert report["top-5 accuracy"] == metrics["test_top5_accuracy"]
    assert metrics["test_accuracy"] <= metrics["test_top5_accuracy"]
    figures = [float(row["val_macro_f1"]) for row in history(done.folder)]
    assert metrics["val_macro_f1"] == max(figures) == figures[metrics["best_epoch"] - 1]
    page = command(tmp_path, "report", "outputs", "-o", "report.html")
    assert page.code == 0, page.err
    assert "top-5 accuracy on test" in (tmp_path / "report.html").read_text()
    scored = command(tmp_path, "evaluate", "outputs/latest", "--data", "set/Test Set")
    assert scored.code == 0, scored.err
    assert "82 images" in scored.out


def test_a_run_whose_images_moved_is_resumed_where_they_are_now(tmp_path, command):
    folder_of(tmp_path / "set", ["a", "b"], 10)
    process = start(tmp_path, *SHORT, "train.epochs=2000")
    folder = wait_for_epochs(process, tmp_path, 2)
    process.send_signal(signal.SIGTERM)
    finish(process, tmp_path)
    before = (folder / "run.json").read_bytes()
    moved = (tmp_path / "set").rename(tmp_path / "moved")
    for words in ((), ("--data-path", "nowhere")):
        refused = command(tmp_path, "resume", str(folder), *words)
        assert refused.code == 2
        assert f"mlptrain resume {folder} --data-path PATH" in refused.err
    Image.new("L", (8, 8), 1).save(moved / "a" / "more.png")
    assert command(tmp_path, "resume", str(folder), "--data-path", "moved").code == 2
    assert (folder / "run.json").read_bytes() == before
    (moved / "a" / "more.png").unlink()
    process = start(tmp_path, "resume", str(folder), "--data-path", "moved")
    epochs = len(history(folder))
    wait_for_epochs(process, tmp_path, epochs + 2)
    process.send_signal(signal.SIGTERM)
    assert finish(process, tmp_path).code == 130
