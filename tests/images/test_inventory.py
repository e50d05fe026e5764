"""Own images, looked at when a config is composed: what is found, and what is refused."""

import itertools
import os
import shlex
import shutil
import sys
import time

import numpy as np
import pytest
from PIL import Image

from mlptrain import api
from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.config.sizes import parameter_count
from mlptrain.datasets.folder import Data as FolderData
from mlptrain.errors import ConfigError, DataError
from mlptrain.sweeps.cells import plan_sweep


def write(folder, number, colour=(1, 2, 3)):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(number):
        Image.new("RGB", (9, 7), (*colour[:2], index)).save(folder / f"{index}.png")


@pytest.fixture
def photos(tmp_path):
    """Twelve of cats, eight of dogs."""
    write(tmp_path / "photos" / "cat", 12)
    write(tmp_path / "photos" / "dog", 8)
    return tmp_path / "photos"


def composed(name, path, *words):
    return compose([f"data={name}", f"data.path={path}", "train.batch_size=2", *words]).config


def refused(name, path, *words):
    with pytest.raises(ConfigError) as caught:
        composed(name, path, *words)
    return caught.value


def test_classes_are_the_folders_in_the_order_of_their_names(photos):
    assert composed("folder", photos).data.class_names() == ("cat", "dog")


def test_sizes_follow_from_the_config(photos):
    config = composed("folder", photos, "data.image_size=8", "data.validation_fraction=0.25")
    assert config.data.split_sizes() == {"train": 12, "validation": 4, "test": 4}
    assert config.data.features() == 8 * 8 * 3
    small = composed("folder", photos, "data.image_size=8", "model.hidden=[5]", "model=shallow")
    assert parameter_count(small) < 20_000


def test_sets_of_their_own_are_used_as_they_are(tmp_path):
    write(tmp_path / "set" / "train" / "cat", 6)
    write(tmp_path / "set" / "train" / "dog", 4)
    write(tmp_path / "set" / "test" / "dog", 3)
    root = tmp_path / "set"
    assert composed("folder", root).data.split_sizes() == {"train": 9, "validation": 1, "test": 3}
    write(root / "Valid" / "cat", 2)
    single = composed("folder", root).data
    assert single.split_sizes() == {"train": 10, "validation": 2, "test": 3}
    for key in ("test", "validation"):
        error = refused("folder", root, f"data.{key}_fraction=0.3")
        assert f"without a {key} set of their own" in error.expected
    without = composed("folder", root, "data.validation_fraction=0", "callbacks=none").data
    assert without.split_sizes() == {"train": 10, "validation": 0, "test": 3}


def test_what_is_wrong_besides_does_not_wait_for_the_images(photos, monkeypatch):
    monkeypatch.setattr(FolderData, "take_inventory", lambda *_: pytest.fail("looked"))
    assert "model.dropout" in refused("folder", photos, "model.dropout=7").expected


def test_the_path_is_absolute_and_no_part_of_the_identity(photos, monkeypatch):
    absolute = composed("folder", photos)
    monkeypatch.chdir(photos.parent)
    relative = composed("folder", "photos")
    assert relative.data.path == str(photos)
    assert config_hash(relative) == config_hash(absolute)


def test_files_that_are_no_images_are_skipped_and_counted_when_asked(photos):
    (photos / "cat" / "bad.png").write_bytes(b"no image")
    with_bad, without = (
        composed("folder", photos, f"data.skip_unreadable={skip}").data.inventory
        for skip in ("false", "true")
    )
    assert (with_bad.train, with_bad.skipped) == (21, 0)
    assert (without.train, without.skipped) == (20, 1)
    (photos / "cat" / "bad.png").unlink()
    assert composed("folder", photos).data.inventory.checksum == without.checksum


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that cannot be read by root")
def test_all_files_that_cannot_be_opened_are_named_at_once(photos):
    for name in ("cat/x.png", "dog/y.png"):
        (photos / name).symlink_to("/proc/self/mem")
    with pytest.raises(DataError) as caught:
        composed("folder", photos)
    assert "2 of 22 files" in caught.value.received
    assert "cat/x.png: Input/output error" in caught.value.received
    assert "dog/y.png: Input/output error" in caught.value.received
    inventory = composed("folder", photos, "data.skip_unreadable=true").data.inventory
    assert (inventory.train, inventory.skipped) == (20, 2)


def test_what_is_no_image_or_hidden_is_left_alone(photos):
    before = composed("folder", photos).data.inventory
    (photos / "cat" / "notes.txt").write_text("")
    write(photos / ".thumbnails", 3)
    (photos / "empty").mkdir()
    os.mkfifo(photos / "cat" / "pipe.png")
    assert composed("folder", photos).data.inventory == before


def test_file_names_need_not_be_text(photos):
    before = composed("folder", photos).data.inventory
    (photos / "cat" / "0.png").rename(photos / "cat" / os.fsdecode(b"\xff.png"))
    after = composed("folder", photos).data.inventory
    assert (after.classes, after.train) == (before.classes, before.train)
    assert after.checksum != before.checksum


def test_identity_is_the_content_not_the_place(photos, tmp_path):
    elsewhere = shutil.copytree(photos, tmp_path / "elsewhere")
    one, other = composed("folder", photos), composed("folder", elsewhere)
    assert config_hash(one) == config_hash(other)
    write(elsewhere / "dog", 1, colour=(9, 9))
    (elsewhere / "dog" / "more.png").write_bytes(b"")  # a folder that changed is looked at again
    assert config_hash(composed("folder", elsewhere)) != config_hash(one)


def test_a_grid_looks_once(photos, monkeypatch):
    looks = []
    take = FolderData.take_inventory

    def counted(path, node):
        looks.append(path)
        return take(path, node)

    monkeypatch.setattr(FolderData, "take_inventory", counted)
    words = ["data=folder", f"data.path={photos}", "train.batch_size=2", "seed=1,2,3"]
    assert len(plan_sweep(words).cells) == 3
    assert len(looks) == 1


def test_an_image_edited_in_place_is_another_data_set(photos):
    before = composed("folder", photos).data.inventory
    Image.new("RGB", (9, 7), "red").save(photos / "dog" / "0.png")
    after = composed("folder", photos).data.inventory
    assert after.checksum != before.checksum
    assert after.train == before.train


def test_what_an_earlier_run_found_is_kept(photos):
    config = composed("folder", photos)
    shutil.rmtree(photos)
    again = compose(["seed=7"], base=config.model_dump()).config
    assert again.data == config.data


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda root: None, "which is missing"),
        (lambda root: root.mkdir(), "no folders with images"),
        (lambda root: root.write_text(""), "which is a file"),
        (lambda root: write(root / "cat", 2), "one folder with images (cat)"),
        (lambda root: [write(root / f"{n:03}", 1) for n in range(201)], "201 classes"),
        (lambda root: [write(root / part, 1) for part in ("train/a", "train/b", "test/c")],
         "test/c, which is not a class"),
    ],
)  # fmt: skip
def test_a_folder_without_classes_is_refused(tmp_path, make, reason):
    make(tmp_path / "photos")
    assert reason in refused("folder", tmp_path / "photos").received


@pytest.mark.parametrize(
    ("name", "file", "action"),
    [
        ("npz", "photos", "mlptrain data=folder data.path={} reads it"),
        ("folder", "a.npz", "mlptrain data=npz data.path={} reads it"),
        ("folder", "a.zip", "unpack it, and name its folder: mlptrain data=folder data.path=PATH"),
        ("folder", "a.tar.gz", "unpack it, and name its folder: mlptrain data=folder data."),
        ("folder", "nothing", "correct the path"),
    ],
)
def test_what_is_no_such_place_is_refused_with_what_to_type(photos, name, file, action):
    for made in ("a.npz", "a.zip", "a.tar.gz"):
        (photos.parent / made).write_bytes(b"")
    path = photos.parent / file
    assert action.format(path) in refused(name, path).action


def test_a_class_whose_name_could_steer_a_terminal_is_refused(photos):
    write(photos / "a\x1b[2Jb", 1)
    error = refused("folder", photos)
    assert "data.inventory.classes" in error.expected
    assert "\x1b" not in str(error)


def test_no_test_images_are_refused(photos):
    assert "data.test_fraction=0.2" in refused("folder", photos, "data.test_fraction=0").action


@pytest.mark.parametrize(("number", "fraction"), [(2, 0.5), (4, 0.25), (12, 0.1)])
def test_the_fraction_that_is_proposed_gives_validation_images(tmp_path, number, fraction):
    write(tmp_path / "set" / "train" / "a", number // 2)
    write(tmp_path / "set" / "train" / "b", number // 2)
    write(tmp_path / "set" / "test" / "a", 1)
    words = [f"data.path={tmp_path / 'set'}", "train.batch_size=1"]
    error = refused("folder", tmp_path / "set", *words, "data.validation_fraction=0.01")
    assert f"no validation images (data.validation_fraction=0.01 of {number}" in error.received
    assert f"set data.validation_fraction={fraction}," in error.action
    config = composed("folder", tmp_path / "set", *words, f"data.validation_fraction={fraction}")
    assert config.data.split_sizes()["validation"] == 1


def test_a_large_folder_shows_how_far_its_checksum_is(photos, monkeypatch, capsys):
    monkeypatch.setattr(time, "monotonic", itertools.count(step=3).__next__)
    composed("folder", photos)
    first, *more = capsys.readouterr().err.splitlines()
    assert first == "took the checksum of 1 of 20 images"
    assert 5 < len(more) < 15


def test_augmentation_must_fit_the_images(photos):
    words = ["data.image_size=8", "augmentation=flip_shift"]
    assert composed("folder", photos, *words, "augmentation.shift=7")
    error = refused("folder", photos, *words, "augmentation.shift=8")
    assert "at most 7, for images of 8 by 8" in error.expected


IMAGES, LABELS = np.full((10, 5, 4), 99, np.uint8), np.arange(10) % 3


@pytest.mark.parametrize(
    ("arrays", "sizes", "classes"),
    [
        ({"images": IMAGES, "labels": LABELS}, (8, 2), ("0", "1", "2")),
        ({"x": IMAGES, "y": LABELS, "classes": np.array(["a", "b", "c"])}, (8, 2), ("a", "b", "c")),
        ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:4], "y_test": LABELS[:4]},
         (10, 4), ("0", "1", "2")),
    ],
)  # fmt: skip
def test_an_npz_is_found_by_its_names(tmp_path, arrays, sizes, classes):
    np.savez(tmp_path / "a.npz", **arrays)
    data = composed("npz", tmp_path / "a.npz", "data.validation_fraction=0", "callbacks=none").data
    assert (data.split_sizes()["train"], data.split_sizes()["test"]) == sizes
    assert data.class_names() == classes


@pytest.mark.parametrize(
    "arrays",
    [
        {"pictures": IMAGES, "labels": LABELS},
        {"images": IMAGES / 255, "labels": LABELS},
        {"images": IMAGES, "labels": LABELS * 0},
        {"images": IMAGES, "labels": LABELS - 1},
        {"images": IMAGES, "labels": LABELS * 200},
        {"images": IMAGES, "labels": LABELS, "classes": np.array(["a", "b"])},
        {"images": IMAGES, "labels": np.array([{}] * 10)},
        {"x_train": IMAGES, "y_train": LABELS, "y_test": LABELS},
        {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES},
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    assert str(tmp_path / "a.npz") in refused("npz", tmp_path / "a.npz").received


@pytest.mark.parametrize(
    "name",
    ["a=b", "a,b", "a b", "it's", "(x)", "a#b", "{x}", "[x]", "éa", 'q"q', "~x", "a\\b", "a\\'b"],
)
def test_a_path_of_any_letters_is_taken_from_python_and_quoted_for_the_shell(
    photos, name, mlptrain
):
    path = shutil.copytree(photos, photos.parent / "elsewhere" / name)
    single = {"data": "folder", "data.path": str(path), "train.batch_size": 2}
    assert api.compose(single).data.path == str(path)
    words = ["data", "show", "data=folder", f"data.path={path}"]
    outcome = mlptrain(*words)
    if outcome.exit_code:
        override = shlex.split(outcome.hint.partition("for the shell too: ")[2])
        outcome = mlptrain(*words[:3], *override)
    assert outcome.exit_code == 0, outcome.stderr


@pytest.mark.parametrize(
    "name", ["a,b", "[x]", "{x}", "(x)", "'q'", "~x", "1e5", "true", " a", "a,", "=", "${x}"]
)
def test_a_name_in_the_working_directory_is_taken_or_quoted_for_the_shell(
    photos, name, monkeypatch
):
    shutil.copytree(photos, photos.parent / "work" / name)
    monkeypatch.chdir(photos.parent / "work")
    for place in (name, f"./{name}"):
        assert api.compose({"data": "folder", "data.path": place, "train.batch_size": 2})
        try:
            (cell,) = plan_sweep(["data=folder", f"data.path={place}", "train.batch_size=2"]).cells
        except ConfigError as error:
            override = shlex.split(error.action.partition("for the shell too: ")[2])
            (cell,) = plan_sweep(["data=folder", *override, "train.batch_size=2"]).cells
        assert cell.config.data.path == str(photos.parent / "work" / name)
