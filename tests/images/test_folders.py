"""Folders of images as people have them: listed in full, or refused with what would be lost."""

import random
import re
import shlex
import unicodedata

import pytest
from PIL import Image

from mlptrain.config.overrides import parse_overrides
from mlptrain.images.folders import ImageProblemError, label_folder, list_folder, sorted_classes


def make(root, *folders, number=2, ending=".png"):
    """So many images in each folder below the root."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(number):
            path = root / folder / f"{index}{ending}"
            if ending == ".png":
                Image.new("RGB", (4, 4), (index, 9, 9)).save(path)
            else:
                path.write_bytes(b"not read")


def counts(root):
    return {split: len(files) for split, files in list_folder(root).splits.items()}


def refused(root):
    with pytest.raises(ImageProblemError) as caught:
        list_folder(root)
    return caught.value


def test_classes_that_are_numbers_are_in_the_order_of_the_numbers(tmp_path):
    names = [str(number) for number in range(12)]
    make(tmp_path, *names)
    listed = list_folder(tmp_path)
    assert listed.classes == tuple(names)
    for file, number in listed.splits["train"]:
        assert file.parent.name == str(number)
    assert sorted_classes(["10", "9", "a"]) == ["10", "9", "a"]
    assert sorted_classes(["10", "-1", "2", "0.5"]) == ["-1", "0.5", "2", "10"]


def test_a_folder_is_labeled_by_the_names_of_classes_before_their_numbers(tmp_path):
    names = sorted(str(number) for number in range(12))  # 0, 1, 10, 11, 2: the order of texts
    make(tmp_path, *names, number=1)
    files, _ = label_folder(tmp_path, names)
    assert {file.parent.name: names[number] for file, number in files} == {n: n for n in names}


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Train", "Valid", "Test"),
        ("TRAINING", "validation", "testing"),
        ("training_set", "val2017", "test1"),
        ("Training Set", "Validation Set", "Test Images"),
        ("images_train", "valset", "data-test"),
    ],
)
def test_splits_have_the_names_that_people_use(tmp_path, train, validation, test):
    make(tmp_path, f"{train}/cat", f"{train}/dog", f"{validation}/cat", f"{test}/dog")
    assert counts(tmp_path) == {"train": 4, "validation": 2, "test": 2}


def test_a_folder_called_images_may_stand_between_a_class_and_its_images(tmp_path):
    make(tmp_path, "train/cat/images", "train/dog/images", "val/cat", "val/dog/Images")
    make(tmp_path, "train/cat", ending=".heic")
    assert list_folder(tmp_path).classes == ("cat", "dog")
    assert counts(tmp_path) == {"train": 4, "validation": 4}
    assert "train/cat/0.heic and 1 more" in list_folder(tmp_path).notes[0]


def test_a_class_may_be_called_train(tmp_path):
    make(tmp_path, "bus", "car", "train")
    assert list_folder(tmp_path).classes == ("bus", "car", "train")


@pytest.mark.parametrize("name", ["express_train", "test_tube", "training shoes", "trainer"])
def test_a_class_whose_name_only_contains_that_of_a_split_is_a_class(tmp_path, name):
    make(tmp_path, "bus", name)
    assert list_folder(tmp_path).classes == ("bus", name)


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (["cat", "dog", "test/cat"], "test, but no folder train"),
        (["cat", "dog", "train/cat", "train/dog"], "cat/0.png"),
        (["train/cat", "train/dog", "test"], "test: images without folders"),
        (["cat", "dog", "val"], "val: images without folders"),
        (["val/cat", "test/cat"], "test, val, but no folder train"),
        (["train/cat", "train/dog", "test/cow"], "test/cow, which is not a class"),
        (["train/cat", "train/dog", "val/cat", "valid/cat"], "two folders of one split"),
        (["cat", "dog/images", "dog/masks"], "dog/images/0.png and 3 more in folders below"),
        (["cat", "dog", "dog/more"], "dog/more/0.png and 1 more in folders below"),
        (["cat", "dog", "dog/more.gif"], "dog/more.gif/0.gif"),
        (["train/cat.heic", "train/dog.heic"], "cat.heic: no image that can be read, but 0.heic"),
        (["train/cat/images", "train/dog/images", "val/images"], "val/images: images without fold"),
        (["train"], "train: images without folders"),
        (["train", "test1"], "train: images without folders"),
        (["train2017", "val2017", "annotations"], "train2017: images without folders"),
        (["train/cat", "train/dog", "valid"], "valid: images without folders"),
        (["train/images", "valid/images"], "train/images: images without folders"),
        (["images", "masks"], "images: images without folders"),
        (["JPEGImages", "SegmentationClass"], "JPEGImages: images without folders"),
    ],
)
def test_images_that_would_be_left_out_are_named(tmp_path, folders, named):
    for folder in folders:
        ending = folder[folder.find(".") :] if "." in folder else ".png"
        make(tmp_path, folder, ending=ending)
    assert named in refused(tmp_path).received


@pytest.mark.parametrize("place", ["", "seg_train"])
def test_a_folder_further_down_that_fits_is_suggested(tmp_path, place):
    make(tmp_path, "seg_train/seg_train/cat", "seg_train/seg_train/dog", "seg_pred/seg_pred")
    fitting = tmp_path / "seg_train" / "seg_train"
    assert refused(tmp_path / place).action.endswith(f"data.path={fitting}")
    assert counts(fitting) == {"train": 4}


def test_the_labels_in_a_table_are_pointed_to(tmp_path):
    make(tmp_path, "train", "test")
    (tmp_path / "sample_submission.csv").write_text("id,label\n")
    assert "script" not in refused(tmp_path).action
    (tmp_path / "labels.csv").write_text("id,label\n")
    assert "with the script for a table of labels such as labels.csv" in refused(tmp_path).action


def test_only_training_images_can_be_named(tmp_path):
    make(tmp_path, "train/cat", "train/dog", "test")
    assert f"data.path={tmp_path / 'train'}" in refused(tmp_path).action
    assert counts(tmp_path / "train") == {"train": 4}


@pytest.mark.parametrize(
    ("files", "received", "action"),
    [
        (["photos.zip"], "no folders with images", "unpack {root}/photos.zip"),
        (["a.parquet"], "but a.parquet", "two classes or more"),
        ([], "no folders with images", "two classes or more"),
    ],
)
def test_what_is_there_instead_of_images_is_named(tmp_path, files, received, action):
    for name in files:
        (tmp_path / name).write_bytes(b"")
    assert received in refused(tmp_path).received
    assert action.format(root=tmp_path) in refused(tmp_path).action


@pytest.mark.parametrize("name", ["Google Photos", "it's (2)", "a=b,c", "straße"])
def test_a_folder_that_is_suggested_is_quoted_for_the_shell(tmp_path, name):
    make(tmp_path, f"{name}/cat", f"{name}/dog")
    typed = refused(tmp_path).action.partition("classes: ")[2]
    (override,) = parse_overrides(shlex.split(typed))
    assert override.value() == str(tmp_path / name)


def test_a_class_of_splits_is_not_suggested_as_classes(tmp_path):
    make(tmp_path, "cat/train", "cat/test", "dog/train", "dog/test")
    assert "put the images of each class into one folder" in refused(tmp_path).action


def test_links_are_followed_but_not_in_circles_and_not_to_nowhere(tmp_path):
    make(tmp_path, "real/cat", "photos/dog")
    root = tmp_path / "photos"
    (root / "cat").symlink_to(tmp_path / "real" / "cat")
    (root / "dog" / "linked.png").symlink_to(tmp_path / "real" / "cat" / "0.png")
    assert counts(root) == {"train": 5}
    assert list_folder(root).notes == ()
    (root / "itself").symlink_to(root / "itself")
    (root / "above").symlink_to(tmp_path)
    (root / "dog" / "up").symlink_to(root)
    (root / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert counts(root) == {"train": 5}
    assert [note.partition(str(root))[2] for note in list_folder(root).notes] == [
        "/above and 1 more (a link to a folder above it)",
        "/itself and 1 more (a link that leads nowhere)",
    ]


def test_images_whose_names_do_not_end_like_one_are_noted(tmp_path):
    make(tmp_path, "cat", "dog")
    (tmp_path / "cat" / "0.png").rename(tmp_path / "cat" / "download")
    (tmp_path / "dog" / "0.png").rename(tmp_path / "dog" / "0.png!large")
    (tmp_path / "cat" / "IMG_1.MOV").write_bytes(b"\0\0\0\x14ftypqt  ")
    (tmp_path / "dog" / "notes.txt").write_text("GIF files are elsewhere")
    listed = list_folder(tmp_path)
    assert counts(tmp_path) == {"train": 2}
    (note,) = listed.notes
    assert note.startswith(f"left out: {tmp_path}/cat/download and 1 more (an image, but")
    (tmp_path / "cat" / "1.png").unlink()
    assert "cat: no image that can be read, but download" in refused(tmp_path).received


def test_a_split_without_images_is_noted(tmp_path):
    make(tmp_path, "train/cat", "train/dog")
    (tmp_path / "test" / "cat").mkdir(parents=True)
    assert list_folder(tmp_path).notes == (f"left out: {tmp_path}/test (no images)",)


def test_a_folder_of_one_class_leads_to_that_of_the_classes(tmp_path):
    make(tmp_path, "set/cat", "set/dog", "alone/cat")
    assert refused(tmp_path / "set" / "cat").action.endswith(f"data.path={tmp_path / 'set'}")
    assert refused(tmp_path / "alone").received.endswith("one folder with images (cat)")
    assert "two classes or more" in refused(tmp_path / "alone").action


def test_every_image_is_listed_or_noted_or_the_folder_is_refused(tmp_path):
    draw = random.Random(0)
    names = ("train", "test", "val2017", "cat", "dog", "images", ".hidden", "__MACOSX", "0")
    images = ("a.png", "b.JPG", "c.gif")
    listings = 0
    for number in range(150):
        root = tmp_path / str(number)
        base = draw.choice((root, root / "train"))
        make(base, "cat", "dog", number=1)
        for _ in range(draw.choice((1, 2, 3))):
            folder = draw.choice([root, *sorted(f for f in root.rglob("*") if f.is_dir())])
            folder = draw.choice((folder, folder / draw.choice(names)))
            folder.mkdir(exist_ok=True)
            (folder / draw.choice(images)).write_bytes(b"")
        try:
            listed = list_folder(root)
        except ImageProblemError:
            continue
        listings += 1
        visible = [path for path in root.rglob("*") if path.name in (*images, "0.png") and not
                   {".hidden", "__MACOSX"} & set(path.parts)]  # fmt: skip
        of_images = [note for note in listed.notes if "(no images)" not in note]
        more = [re.search(r" and (\d+) more", note) for note in of_images]
        noted = len(of_images) + sum(int(match[1]) for match in more if match)
        assert len(set(listed.files())) + noted == len(visible), listed.notes
    assert listings > 30, listings


def test_what_systems_leave_behind_is_no_image_and_no_class(tmp_path):
    make(tmp_path, "cat", "dog")
    clean = list_folder(tmp_path)
    make(
        tmp_path,
        "__MACOSX",
        ".Trash-1000",
        "lost+found",
        "@eaDir",
        "#recycle",
        "cat/.thumbs",
        "dog/@eaDir",
    )
    for name in ("cat/._0.png", "cat/.hidden.png"):
        (tmp_path / name).write_bytes(b"")
    assert list_folder(tmp_path) == clean
    assert clean.notes == ()


def test_images_that_are_left_out_are_noted(tmp_path):
    make(tmp_path, "cat", "dog")
    make(tmp_path, "cat", ending=".tif", number=3)
    (tmp_path / "cover.PNG").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    assert label_folder(tmp_path, ["cat", "dog"])[1] == list(list_folder(tmp_path).notes)
    assert [note.partition(str(tmp_path))[2] for note in list_folder(tmp_path).notes] == [
        "/cover.PNG (not in the folder of a class)",
        "/cat/0.tif and 2 more (a format that is not read)",
        "/empty (no images)",
    ]


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".JPG", ".Png", ".WEBP"])
def test_endings_of_the_formats_that_are_read(tmp_path, ending):
    make(tmp_path, "cat", "dog", ending=ending)
    assert counts(tmp_path) == {"train": 4}


def test_a_class_in_another_format_alone_is_refused(tmp_path):
    make(tmp_path, "cat", "dog")
    make(tmp_path, "bird", ending=".heic")
    assert "bird: no image that can be read, but 0.heic" in refused(tmp_path).received


def test_accents_may_be_written_in_two_ways(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    make(tmp_path, f"train/{composed}", "train/bar", f"test/{decomposed}")
    assert counts(tmp_path) == {"train": 4, "test": 2}
    make(tmp_path, f"train/{decomposed}")
    assert "differ only in how accents are written" in refused(tmp_path).received


def test_a_folder_of_splits_is_not_one_of_classes(tmp_path):
    make(tmp_path, "train/cat", "test/cat")
    with pytest.raises(ImageProblemError) as caught:
        label_folder(tmp_path, ["cat", "dog"])
    assert caught.value.action.endswith(f"--data {tmp_path / 'test'}")
