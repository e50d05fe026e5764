"""Arrays as people have them: read, or refused with the line of NumPy that mends them."""

import re

import numpy as np
import pytest

from mlptrain.images.arrays import read_npz
from mlptrain.images.folders import ImageProblemError

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 16, 16), np.uint8)
LABELS = np.arange(10) % 3
NAMES = np.array(["cat", "dog", "eel"])


@pytest.fixture
def npz(tmp_path, monkeypatch):
    """Write arrays to a file in the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    return write


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        (("x_train", "y_train"), ("x_val", "y_val"), ("x_test", "y_test")),
        (("X_train", "y_train"), ("X_valid", "y_valid"), ("X_test", "y_test")),
        (("train_images", "train_labels"), ("val_images", "val_labels"),
         ("test_images", "test_labels")),
        (("data", "labels"), ("val_x", "val_y"), ("images_test", "labels_test")),
        (("images", "targets"), ("ValImages", "ValLabels"), ("TestX", "TestY")),
    ],
)  # fmt: skip
def test_names_of_splits(npz, train, validation, test):
    arrays = {}
    for names, first in ((train, 0), (validation, 4), (test, 7)):
        images_name, labels_name = names
        arrays |= {images_name: IMAGES[first:], labels_name: LABELS[first:]}
    splits = read_npz(npz(**arrays)).splits
    assert {split: len(labels) for split, (_, labels) in splits.items()} == {
        "train": 10, "validation": 6, "test": 3}  # fmt: skip
    np.testing.assert_array_equal(splits["validation"][0], IMAGES[4:])


@pytest.mark.parametrize(
    "labels",
    [
        LABELS[:, None], LABELS.astype(float), np.eye(3)[LABELS], np.eye(3, dtype=bool)[LABELS],
        NAMES[LABELS], NAMES.astype("S")[LABELS], (LABELS + 8).astype(str),
    ],
    ids=["column", "float", "one-hot", "one-hot bool", "text", "bytes", "text of numbers"],
)  # fmt: skip
def test_labels_in_every_form(npz, labels):
    read = read_npz(npz(images=IMAGES, labels=labels))
    np.testing.assert_array_equal(read.splits["train"][1], LABELS)
    if labels.dtype.kind in "US":
        expected = ("8", "9", "10") if labels[0] == "8" else tuple(NAMES)
        assert read.classes == expected


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.int32])
def test_whole_numbers_up_to_255_are_read(npz, dtype):
    images, _ = read_npz(npz(images=IMAGES.astype(dtype), labels=LABELS)).splits["train"]
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, IMAGES)


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"images": IMAGES / 255}, "from 0 to 1, which would be black"),
        ({"images": (IMAGES > 99).astype(np.uint8)}, "from 0 to 1, which would be black"),
        ({"images": IMAGES.astype(np.float32)}, "from 0 to 255, not uint8"),
        ({"images": IMAGES.astype(np.uint16) * 16}, "from 0 to 4080, not uint8"),
        ({"images": np.stack([IMAGES] * 4, -1)}, "with a channel for transparency"),
        ({"images": np.stack([IMAGES] * 2, -1)}, "with a channel for transparency"),
        ({"images": np.moveaxis(np.stack([IMAGES] * 3, -1), 0, -1)}, "with the images last"),
        ({"images": np.moveaxis(IMAGES, 0, -1)}, "with the images last"),
        ({"images": np.stack([IMAGES] * 3, -1)[:, None]}, "with a dimension too many"),
        ({"labels": np.eye(3)[LABELS] * 0.8 + 0.2 / 3}, "rows of probabilities"),
        ({"images": np.stack([IMAGES] * 3, 1)}, "with channels first"),
        ({"images": IMAGES.reshape(10, -1)}, "one row per image"),
        ({"images": np.repeat(IMAGES.reshape(10, -1), 3, 1)}, "one row per image"),
        ({"images": IMAGES > 99}, "not uint8"),
        ({"images": IMAGES / 127.5 - 1}, "from -1 to 1"),
        ({"images": IMAGES.astype(np.int16) - 1_000}, "from -1000 to -745"),
        ({"images": np.where(IMAGES < 9, np.nan, IMAGES / 255)}, "that are not finite"),
        ({"labels": NAMES.astype(object)[LABELS]}, "labels holds Python objects"),
        ({"classes": NAMES.astype(object)}, "classes holds Python objects"),
        ({"labels": LABELS + 1}, "labels 1 to 3"),
        ({"labels": LABELS * 5}, "labels 0 to 10"),
        ({"labels": LABELS - 1}, "labels -1 to 1"),
        ({"data": IMAGES}, "both images and data"),
    ],
)
def test_the_line_of_numpy_that_is_proposed_mends_the_file(npz, arrays, named):
    path = npz(**{"images": IMAGES, "labels": LABELS, **arrays})
    with pytest.raises(ImageProblemError) as caught:
        read_npz(path)
    assert named in caught.value.received
    line = re.fullmatch("in Python: (.*)", caught.value.action)[1]
    exec(line, {"np": np})
    path = path.with_name("fixed.npz")
    if "not finite" in named:  # and they are from 0 to 1
        with pytest.raises(ImageProblemError) as caught:
            read_npz(path)
        exec(caught.value.action.removeprefix("in Python: "), {"np": np})
    images, labels = read_npz(path).splits["train"]
    assert len(images) == len(labels) == 10
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize(
    ("change_images", "change_labels"),
    [
        (lambda images: images / 255, lambda labels: labels),
        (lambda images: images.astype(np.uint16) * 257, lambda labels: labels),
        (lambda images: images / 127.5 - 1, lambda labels: labels),
        (lambda images: images, lambda labels: labels + 1),
        (lambda images: images, lambda labels: labels * 3 + 7),
        (lambda images: np.stack([images] * 3, 1), lambda labels: labels),
    ],
)
def test_the_line_corrects_all_sets_alike(npz, change_images, change_labels):
    dark = IMAGES // 2
    expected = read_npz(npz(x_train=IMAGES, y_train=LABELS, x_test=dark, y_test=LABELS)).splits
    path = npz(
        x_train=change_images(IMAGES), y_train=change_labels(LABELS),
        x_test=change_images(dark), y_test=change_labels(LABELS),
    )  # fmt: skip
    with pytest.raises(ImageProblemError) as caught:
        read_npz(path)
    exec(caught.value.action.removeprefix("in Python: "), {"np": np})
    splits = read_npz(path.with_name("fixed.npz")).splits
    for split, (images, labels) in expected.items():
        gray = splits[split][0]
        np.testing.assert_array_equal(gray[..., 0] if gray.ndim == 4 else gray, images)
        np.testing.assert_array_equal(splits[split][1], labels)


@pytest.mark.parametrize("names", [("arr_0", "arr_1"), ("kinds", "pictures"), ("b", "c", "d", "e")])
def test_arrays_under_other_names_are_renamed(npz, names):
    arrays = dict(zip(names, [IMAGES, LABELS, IMAGES[:4], LABELS[:4]], strict=False))
    if names[0] == "kinds":
        arrays = {"kinds": LABELS[:, None], "pictures": IMAGES}
    path = npz(**arrays)
    with pytest.raises(ImageProblemError) as caught:
        read_npz(path)
    assert caught.value.received == f"{path}: it holds {', '.join(arrays)}"
    exec(caught.value.action.removeprefix("in Python: "), {"np": np})
    splits = read_npz(path.with_name("fixed.npz")).splits
    np.testing.assert_array_equal(splits["train"][0], IMAGES)
    np.testing.assert_array_equal(splits["train"][1], LABELS)
    assert ("test" in splits) == (len(names) == 4)


def test_more_labels_than_a_line_can_list_are_numbered_too(npz):
    every = np.arange(30) * 7 + 5
    path = npz(x_train=np.repeat(IMAGES, 3, 0), y_train=every, x_test=IMAGES, y_test=every[::3])
    with pytest.raises(ImageProblemError) as caught:
        read_npz(path)
    exec(caught.value.action.removeprefix("in Python: "), {"np": np})
    splits = read_npz(path.with_name("fixed.npz")).splits
    np.testing.assert_array_equal(splits["train"][1], range(30))
    np.testing.assert_array_equal(splits["test"][1], range(0, 30, 3))


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"x_train": IMAGES, "y_train": LABELS, "x_val": IMAGES}, "x_val without labels"),
        ({"images": IMAGES}, "images without labels"),
        (
            {"x_train": IMAGES, "y_train": NAMES[LABELS], "x_test": IMAGES, "y_test": LABELS},
            "y_train <U3, y_test int64",
        ),
        ({"images": IMAGES, "labels": LABELS, "classes": NAMES[[0, 1, 0]]}, "same name twice"),
        (
            {"images": np.array([IMAGES[0], IMAGES[1, :9]], dtype=object), "labels": LABELS[:2]},
            "images holds Python objects",
        ),
        ({"pictures": IMAGES, "kinds": LABELS}, "it holds pictures, kinds"),
        ({"x_test": IMAGES, "y_test": LABELS}, "it holds x_test, y_test"),
        ({"images": IMAGES * 0, "labels": LABELS}, "every pixel is 0"),
        ({"images": IMAGES, "labels": np.ones((10, 3))}, "more than one label"),
        ({"images": IMAGES, "labels": LABELS, "classes": NAMES[:2]}, "not 2 classes"),
        ({"images": IMAGES, "labels": NAMES[LABELS], "classes": NAMES[:2]}, "labels eel"),
    ],
)
def test_what_cannot_be_read_is_named(npz, arrays, named):
    with pytest.raises(ImageProblemError) as caught:
        read_npz(npz(**arrays))
    assert named in caught.value.received


def test_names_in_the_file_lead_to_the_classes_of_a_model(npz):
    path = npz(images=IMAGES, labels=LABELS, classes=NAMES[[1, 0, 2]])
    read = read_npz(path, ["ant", "cat", "dog", "eel"])
    np.testing.assert_array_equal(read.splits["train"][1], np.array([2, 1, 3])[LABELS])
    with pytest.raises(ImageProblemError) as caught:
        read_npz(path, ["ant", "cat", "dog"])
    assert caught.value.received.endswith("labels eel in labels, not 3 classes")


def test_an_array_that_is_neither_images_nor_labels_is_noted(npz):
    read = read_npz(npz(images=IMAGES, labels=LABELS, ids=LABELS, x_train_mean=IMAGES[0]))
    assert read.notes == ("left out: the array ids", "left out: the array x_train_mean")
