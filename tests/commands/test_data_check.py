"""`mlptrain data check`: planted faults are named with their images, healthy data are not."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

SIDE = 8
DRAWN = np.random.default_rng(3)


def picture():
    """A picture that no other one equals."""
    return DRAWN.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)


def save(path, pixels, size=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.resize(size) if size else image).save(path)


@pytest.fixture
def photos(tmp_path):
    """Healthy: sixteen training, eight validation and eight test images of each of two classes."""
    for split, number in (("train", 16), ("val", 8), ("test", 8)):
        for name in ("cat", "dog"):
            for index in range(number):
                save(tmp_path / "photos" / split / name / f"{index:02}.png", picture())
    return tmp_path / "photos"


@pytest.fixture
def check(mlptrain):
    """Words → findings by name, in their order; the command exits with 0."""

    def call(*words):
        outcome = mlptrain("data", "check", *words, "--format", "json")
        assert outcome.exit_code == 0, outcome
        return {f["name"]: f for f in json.loads(outcome.stdout)["findings"]}

    return call


def folder(path, *words):
    return ("data=folder", f"data.path={path}", f"data.image_size={SIDE}", *words)


def npz(path, **arrays):
    np.savez(path, **arrays)
    return ("data=npz", f"data.path={path}", f"data.image_size={SIDE}")


def files(group):
    return {image["file"] for image in group}


def test_healthy_data_have_no_findings(mlptrain, check, photos, tmp_path):
    digits = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)
    assert check(*folder(photos)) == {}
    assert check(*npz(tmp_path / "digits.npz", images=images, labels=digits.target)) == {}
    assert check("data=cifar10_mini") == {}
    text = mlptrain("data", "check", *folder(photos))
    assert (text.exit_code, text.stdout.splitlines()[-1]) == (0, "Nothing unusual.")
    assert "train 32, validation 16, test 16" in text.stdout


def test_equal_images_are_named_with_their_split_and_class(check, photos):
    """Equal are pixels, not files: a BMP of the same pixels counts."""
    for copy, original in (
        ("train/cat/copy.bmp", "train/cat/03.png"),  # within
        ("test/dog/leak.png", "train/dog/05.png"),  # across
        ("val/dog/wrong.png", "train/cat/07.png"),  # another label
    ):
        save(photos / copy, np.asarray(Image.open(photos / original)))
    findings = check(*folder(photos))
    assert set(findings) == {"duplicates_within", "duplicates_across_splits", "conflicting_labels"}
    within, across, conflict = (
        findings[name]["evidence"]["groups"]
        for name in ("duplicates_within", "duplicates_across_splits", "conflicting_labels")
    )
    assert [files(group) for group in within] == [{"train/cat/03.png", "train/cat/copy.bmp"}]
    assert [files(group) for group in across] == [{"train/dog/05.png", "test/dog/leak.png"}]
    assert sorted(map(str, conflict[0])) == sorted(
        map(
            str,
            [
                {"file": "train/cat/07.png", "split": "train", "class": "cat"},
                {"file": "val/dog/wrong.png", "split": "validation", "class": "dog"},
            ],
        )
    )
    assert list(findings)[-1] == "duplicates_within"  # it does least harm


def test_images_that_show_nothing_are_no_duplicates_too(mlptrain, check, photos):
    for split in ("train", "test"):
        save(photos / split / "cat" / "black.png", np.zeros((SIDE, SIDE, 3), np.uint8))
        save(photos / split / "dog" / "red.png", np.full((SIDE, SIDE, 3), (200, 30, 30), np.uint8))
    findings = check(*folder(photos))
    assert set(findings) == {"nearly_black_images", "nearly_constant_images"}
    listed = {name: files(f["evidence"]["images"]) for name, f in findings.items()}
    assert listed["nearly_black_images"] == {"train/cat/black.png", "test/cat/black.png"}
    assert listed["nearly_constant_images"] == {"train/dog/red.png", "test/dog/red.png"}
    text = mlptrain("data", "check", *folder(photos)).stdout
    assert "train/cat/black.png (train, cat)" in text


def test_rare_and_missing_classes_say_what_guessing_reaches(check, photos):
    for file in sorted((photos / "train" / "dog").iterdir())[2:]:
        file.unlink()
    shutil.rmtree(photos / "test" / "dog")
    findings = check(*folder(photos))
    assert set(findings) == {"class_imbalance", "class_missing_in_split"}
    imbalance = findings["class_imbalance"]
    assert imbalance["evidence"]["ratio"] == 8
    assert imbalance["evidence"]["guessing"] == {"validation": 0.5, "test": 1.0}
    assert imbalance["try"][0].endswith("data.class_weights=balanced")
    assert findings["class_missing_in_split"]["evidence"]["missing"] == {"test": ["dog"]}


@pytest.mark.parametrize(("size", "key"), [((3, 4), "smaller"), ((90, 64), "larger")])
def test_images_of_another_size_than_is_trained_on(check, photos, size, key):
    save(photos / "train" / "cat" / "odd.png", picture(), size)
    findings = check(*folder(photos))
    assert set(findings) == {"image_size_mismatch"}
    evidence = findings["image_size_mismatch"]["evidence"]
    (image,) = evidence["images"]
    assert evidence[key] == 1
    assert (image["file"], image["columns"], image["rows"]) == ("train/cat/odd.png", *size)


def test_small_arrays_get_the_size_to_train_on(check, tmp_path):
    images = DRAWN.integers(0, 256, (60, 5, 5)).astype(np.uint8)
    words = npz(tmp_path / "a.npz", images=images, labels=np.arange(60) % 2)
    finding = check(*words[:2], "data.image_size=20")["image_size_mismatch"]
    assert finding["try"] == [f"mlptrain {' '.join(words[:2])} data.image_size=5"]


def test_arrays_are_named_with_the_index_of_each_image(check, tmp_path):
    images = DRAWN.integers(0, 256, (40, SIDE, SIDE)).astype(np.uint8)
    test = DRAWN.integers(0, 256, (10, SIDE, SIDE)).astype(np.uint8)
    test[4] = images[17]
    labels = np.arange(40) % 2
    words = npz(
        tmp_path / "a.npz", x_train=images, y_train=labels, x_test=test, y_test=np.arange(10) % 2
    )
    # Image 17 of train is of class 1, image 4 of test of class 0.
    assert check(*words)["conflicting_labels"]["evidence"]["groups"] == [
        [
            {"array": "x_train", "index": 17, "split": "train", "class": "1"},
            {"array": "x_test", "index": 4, "split": "test", "class": "0"},
        ]
    ]


def test_the_splits_are_those_of_training(check, tmp_path):
    """Where mlptrain cuts the splits, a copy counts for the split that its image is trained in."""
    from mlptrain.config.compose import compose
    from mlptrain.data_checks import find_image_faults

    images = DRAWN.integers(0, 256, (40, SIDE, SIDE, 3)).astype(np.uint8)
    images[20:] = images[:20]
    words = npz(tmp_path / "a.npz", images=images, labels=np.arange(40) % 2)
    findings = check(*words)
    dataset = compose([*words, "train.batch_size=2"]).config.data.load(print)
    counts = {fault.name: fault.evidence["count"] for fault in find_image_faults(dataset)}
    assert counts == {name: finding["evidence"]["count"] for name, finding in findings.items()}
    for name in ("duplicates_within", "duplicates_across_splits"):
        for group in findings[name]["evidence"]["groups"]:
            for image in group:
                split = getattr(dataset, image["split"])
                assert (split.images == images[image["index"]]).all(axis=(1, 2, 3)).any()


def test_files_that_cannot_be_read_are_a_finding_among_others(mlptrain, check, photos):
    (photos / "train" / "cat" / "broken.png").write_bytes(b"no image")
    save(photos / "train" / "dog" / "black.png", np.zeros((SIDE, SIDE, 3), np.uint8))
    findings = check(*folder(photos))
    assert list(findings) == ["unreadable_images", "nearly_black_images"]
    assert findings["unreadable_images"]["evidence"]["images"][0]["file"] == "train/cat/broken.png"
    assert "broken.png (not a PNG" in mlptrain("data", "check", *folder(photos)).stdout


def test_only_the_images_that_are_used_count(check, photos):
    for index in (14, 15):  # of the sixteen training images of a class
        save(photos / "train" / "cat" / f"{index}.png", np.zeros((SIDE, SIDE, 3), np.uint8))
    listed = check(*folder(photos))["nearly_black_images"]["evidence"]
    used = check(*folder(photos, "data.limit=4")).get("nearly_black_images", {"evidence": {}})
    assert listed["count"] == 2
    assert used["evidence"].get("count", 0) < 2


@pytest.mark.parametrize(
    "words",
    [
        ("data=folder", "data.path=nowhere"),
        ("data=folder",),
        ("data=npz", "data.path=nowhere.npz"),
        ("data=cifar10", "data.path=nowhere"),
        ("data=nothing",),
        ("seed=1,2",),
        ("-m", "seed=1,2"),
        ("study=full",),
        ("data=cifar10_mini", "--format", "csv"),
        ("data.validation_fraction=2",),
    ],
)
def test_bad_input_is_refused(mlptrain, assert_refused, words):
    assert_refused(mlptrain("data", "check", *words))


def test_the_page_has_every_threshold():
    from pathlib import Path

    from mlptrain.data_checks.thresholds import THRESHOLDS

    page = (Path(__file__).parents[2] / "docs/howto/check_data.md").read_text(encoding="utf-8")
    for name, threshold in THRESHOLDS.items():
        assert f"| `{name}` | {threshold.value:g} |" in page
