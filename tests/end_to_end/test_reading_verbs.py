"""The verbs that read finished runs, on runs that were really trained.

They are called in this process, which imports TensorFlow once: as commands of their own they would
import it forty times. The last test has commands of their own say the same.
"""

import itertools
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from real_command import MINI, SPARE, Finished, mlptrain_command, read_json
from scipy.stats import binomtest

from mlptrain.data.mini import load_mini
from mlptrain.datasets.cifar10 import CIFAR10_CLASSES as CLASS_NAMES

pytestmark = [
    pytest.mark.slow,
    # Of Keras, when it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

ACCURACIES = {"train": "train_accuracy", "validation": "val_accuracy", "test": "test_accuracy"}


@pytest.fixture
def command(mlptrain, monkeypatch):
    def call(cwd, *words):
        monkeypatch.chdir(cwd)
        done = mlptrain(*words)
        return Finished(done.exit_code, done.stdout, done.stderr, cwd)

    return call


@pytest.fixture(scope="module")
def study(run):
    done = run("study")
    assert done.code == 0, done.err
    return done.folder


@pytest.fixture(scope="module")
def first(run):
    """Another recipe: RMSprop, more dropout, one epoch."""
    done = run("first")
    assert done.code == 0, done.err
    return done.folder


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Where the mini set's test images lie, in each form that can be evaluated."""
    here, mini = tmp_path_factory.mktemp("places"), load_mini()
    images, labels = mini.test_images, mini.test_labels
    np.savez(here / "both.npz", images=images, labels=labels)
    np.savez_compressed(here / "keras.npz", x=images, y=labels.reshape(-1, 1))
    np.save(here / "images.npy", images)
    np.save(here / "labels.npy", labels.astype(np.int64))
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        name = CLASS_NAMES[label] if number % 2 else str(label)
        (here / "folder" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(here / "folder" / name / f"{number}.png")
    return here


@pytest.fixture
def evaluated(command, tmp_path):
    """The words of the verb → what it says as JSON."""

    def call(*words):
        done = command(tmp_path, "evaluate", *map(str, words), "--format", "json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    return call


@pytest.mark.parametrize("split", ACCURACIES)
def test_evaluate_repeats_the_figures_of_the_run_to_the_last_digit(evaluated, study, split):
    metrics = read_json(study, "metrics.json")
    answer = evaluated(study, "--data", split)
    (scores,) = answer["runs"].values()
    assert scores["accuracy"] == metrics[ACCURACIES[split]]
    assert answer["data"] == split
    sizes = read_json(study, "run.json")["data"]["sizes"]
    assert answer["images"] == sizes[split]


def test_without_data_the_test_set_is_scored_from_its_predictions(evaluated, study):
    answer, metrics = evaluated(study), read_json(study, "metrics.json")
    (scores,) = answer["runs"].values()
    assert (answer["data"], scores["accuracy"]) == ("test", metrics["test_accuracy"])
    assert scores["macro_f1"] == pytest.approx(metrics["test_macro_f1"])
    with np.load(study / "predictions.npz") as arrays:
        probabilities = arrays["test_probabilities"].astype(np.float64)
        labels = arrays["test_labels"]
    # The loss is the cross-entropy; metrics.json adds the penalty on the weights, as Keras does.
    expected = -np.log(np.maximum(probabilities[np.arange(500), labels], 1e-7)).mean()
    assert scores["loss"] == pytest.approx(expected, rel=0.01)  # stored with 16 bits
    assert scores["loss"] < metrics["test_loss"]
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    error = 0.0
    for low, high in itertools.pairwise(np.linspace(0, 1, 16)):
        inside = (low <= confidence) & (confidence < high)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    # float16 moves a few images over an edge.
    assert scores["calibration_error"] == pytest.approx(error, abs=0.01)
    assert sum(part["images"] for part in scores["reliability"]) == 500
    interval = binomtest(round(500 * scores["accuracy"]), 500).proportion_ci(0.95, "wilson")
    assert (scores["accuracy_low"], scores["accuracy_high"]) == pytest.approx(tuple(interval))
    correct = sum(part["images"] * part["accuracy"] for part in scores["reliability"])
    assert correct / 500 == pytest.approx(scores["accuracy"])


@pytest.mark.parametrize("form", ["both.npz", "keras.npz", "folder", "images.npy,labels.npy"])
def test_images_from_anywhere_give_the_figure_of_the_split_they_hold(
    evaluated, study, places, form
):
    source = ",".join(str(places / part) for part in form.split(","))
    answer = evaluated(study, "--data", source)
    (scores,) = answer["runs"].values()
    assert scores["accuracy"] == read_json(study, "metrics.json")["test_accuracy"]
    assert answer["images"] == 500


def test_several_runs_vote_with_their_mean_probabilities(evaluated, study, first):
    answer = evaluated(study, first)["runs"]
    assert list(answer) == [str(study), str(first), "all together"]
    with np.load(study / "predictions.npz") as a, np.load(first / "predictions.npz") as b:
        mean = (a["test_probabilities"] + b["test_probabilities"].astype(np.float64)) / 2
        expected = (mean.argmax(axis=1) == a["test_labels"]).mean()
    assert answer["all together"]["accuracy"] == pytest.approx(expected, abs=0.004)
    for folder in (study, first):
        scores = read_json(folder, "metrics.json")["test_accuracy"]
        assert answer[str(folder)]["accuracy"] == scores


def test_the_best_by_validation_are_found_below_a_folder(command, study, first, tmp_path):
    for name, folder in (("one", study), ("two", first), ("three", study)):
        shutil.copytree(folder, tmp_path / "outputs" / "sweep" / name)
    done = command(tmp_path, "evaluate", "outputs", "--best", "2", "--format", "json")
    assert done.code == 0, done.err
    answer = json.loads(done.out)["runs"]
    order = sorted((study, first), key=lambda f: -read_json(f, "metrics.json")["val_accuracy"])
    expected = ["one", "three"] if order[0] == study else ["two", "one"]
    ordered = [name.rpartition("/")[2] for name in answer if name != "all together"]
    assert ordered == expected
    assert all(name.startswith("outputs/sweep/") for name in list(answer)[:-1])
    none = command(tmp_path, "evaluate", "outputs/sweep", "--best", "0")
    assert (none.code, none.out) == (2, "")


def test_a_run_alone_votes_like_itself(evaluated, study, tmp_path):
    copy = shutil.copytree(study, tmp_path / "copy")
    answer = evaluated(study, copy)["runs"]
    assert answer["all together"] == answer[str(study)] == answer[str(copy)]


def test_accuracy_and_each_class_are_printed_and_the_reliability_is_drawn(command, study, tmp_path):
    done = command(tmp_path, "evaluate", str(study), "--plot", "picture.png")
    assert (done.code, done.err) == (0, "")
    accuracy = read_json(study, "metrics.json")["test_accuracy"]
    assert "500 images: test" in done.out
    assert f"{100 * accuracy:.1f} % " in done.out
    report = read_json(study, "classification_report.json")
    for name in CLASS_NAMES:
        (line,) = [line for line in done.out.splitlines() if line.strip().startswith(name)]
        assert f"{report[name]['recall']:.3f}" in line
    with Image.open(tmp_path / "picture.png") as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (750, 780))


def test_what_voting_gains_is_printed(command, study, first, tmp_path):
    done = command(tmp_path, "evaluate", str(study), str(first))
    assert done.code == 0, done.err
    assert "all together" in done.out
    assert "points against the best single run here" in done.out


def test_a_picture_that_cannot_be_written_is_refused(command, study, tmp_path):
    done = command(tmp_path, "evaluate", str(study), "--plot", "nowhere/picture.png")
    assert done.code == 2
    assert "nowhere/picture.png" in done.err
    assert "Traceback" not in done.err


def test_predict_names_the_most_probable_classes(command, study, places, tmp_path):
    files = sorted((places / "folder").rglob("*.png"), key=lambda path: int(path.stem))[:20]
    done = command(
        tmp_path, "predict", str(study), *map(str, files), "--top", "2", "--format", "json"
    )
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    assert [row["file"] for row in answer] == [str(file) for file in files]
    with np.load(study / "predictions.npz") as arrays:
        probabilities = arrays["test_probabilities"][:20].astype(np.float64)
    for row, expected in zip(answer, probabilities, strict=True):
        best = np.sort(expected)[::-1][:2]
        assert [entry["probability"] for entry in row["top"]] == pytest.approx(best, abs=2e-3)
        for entry in row["top"]:
            index = CLASS_NAMES.index(entry["class"])
            assert expected[index] == pytest.approx(entry["probability"], abs=2e-3)


def test_predict_tells_a_person_the_same(command, study, places, tmp_path):
    file = next((places / "folder" / "cat").glob("*.png"))
    shown = command(tmp_path, "predict", str(study), str(file), "--top", "3")
    as_data = command(tmp_path, "predict", str(study), str(file), "--format", "json")
    assert shown.code == as_data.code == 0, shown.err + as_data.err
    (row,) = json.loads(as_data.out)
    assert len(row["top"]) == 3  # three by default
    joined = " ".join(shown.out.split())
    for entry in row["top"]:
        assert f"{entry['class']} {100 * entry['probability']:.1f} %" in joined


def test_all_ten_classes_add_up_to_one(command, study, places, tmp_path):
    file = next((places / "folder" / "cat").glob("*.png"))
    done = command(tmp_path, "predict", str(study), str(file), "--top", "99", "--format", "json")
    assert done.code == 0, done.err
    top = json.loads(done.out)[0]["top"]
    assert {entry["class"] for entry in top} == set(CLASS_NAMES)
    assert sum(entry["probability"] for entry in top) == pytest.approx(1, abs=1e-5)


def test_a_file_that_is_no_image_is_named_and_the_others_are_answered_for(
    command, study, places, tmp_path
):
    good = next((places / "folder" / "cat").glob("*.png"))
    done = command(tmp_path, "predict", str(study), str(good), str(study / "run.json"))
    assert done.code == 1
    assert good.name in done.out
    assert "run.json" not in done.out
    assert "1 of 2 files that cannot be read" in done.err
    assert "run.json: not a PNG" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
def test_a_run_that_kept_no_model_says_what_to_do(run, command, places, tmp_path, verb):
    bare = run("bare").folder
    image = next((places / "folder" / "cat").glob("*.png"))
    words = [verb, str(bare), *([str(image)] if verb == "predict" else [])]
    done = command(tmp_path, *words)
    assert (done.code, done.out) == (2, "")
    assert "artifacts=minimal" in done.err
    assert "artifacts=full" in done.err


def test_a_run_that_failed_has_nothing_to_evaluate(run, command, tmp_path):
    done = command(tmp_path, "evaluate", str(run("diverged").folder))
    assert (done.code, done.out) == (2, "")
    assert "which is failed" in done.err


def test_a_split_without_images_is_refused(command, tmp_path):
    trained = command(
        tmp_path, MINI, "train.epochs=1", "data.validation_fraction=0", "callbacks=none",
        "model.hidden=[8]", *SPARE, "artifacts=full",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    done = command(tmp_path, "evaluate", "outputs/latest", "--data", "validation")
    assert (done.code, done.out) == (2, "")
    assert "Usage error" in done.err
    assert "received: --data validation" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["data.scaling=minus_one_one", "regularization=l1l2", "activation=selu", "model.dropout=0"],
        ["data.scaling=zero_one", "model.batch_norm=false", "activation=leaky_relu",
         "runtime.precision=mixed_bfloat16"],
        ["model=residual", "model.width=16", "augmentation=[flip,test_flip]", "train.ema=0.9"],
    ],
)  # fmt: skip
def test_every_kind_of_net_is_rebuilt_with_its_weights(command, tmp_path, words):
    small = [MINI, "data.limit=200", "train.epochs=1", "logger=none", "instruments=off"]
    if "model=residual" not in words:
        small.append("model.hidden=[16,8]")
    trained = command(tmp_path, *small, *words)
    assert trained.code == 0, trained.err
    done = command(tmp_path, "evaluate", "outputs/latest", "--format", "json")
    assert done.code == 0, done.err
    (scores,) = json.loads(done.out)["runs"].values()
    assert scores["accuracy"] == read_json(trained.folder, "metrics.json")["test_accuracy"]


def test_runs_and_diff_read_what_was_trained(command, study, first, tmp_path):
    done = command(tmp_path, "runs", str(study), str(first), "--format", "json")
    assert done.code == 0, done.err
    answer = {row["run"]: row for row in json.loads(done.out)}
    for folder in (study, first):
        metrics = read_json(folder, "metrics.json")
        assert answer[folder.name]["test_accuracy"] == metrics["test_accuracy"]
    assert {row["train.epochs"] for row in answer.values()} == {1, 3}
    compared = command(tmp_path, "diff", str(study), str(first))
    assert compared.code == 0, compared.err
    assert "train.epochs" in compared.out
    assert "the same: data, versions" in compared.out
    assert "image by image: of 500 test images, only the first run has" in compared.out


def test_commands_of_their_own_say_the_same(command, study, tmp_path):
    picture = tmp_path / "one.png"
    Image.fromarray(load_mini().test_images[3]).save(picture)
    for words in (["evaluate", str(study), "--format", "json"], ["predict", str(study), "one.png"]):
        scores = mlptrain_command(tmp_path, *words)
        here = command(tmp_path, *words)
        assert (scores.code, scores.out) == (here.code, here.out) == (0, here.out)
