"""Labeled images come from a folder, an `.npz` or two `.npy`, or are refused."""

import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from crafted import in_both_headers
from PIL import Image

from mlptrain.datasets.cifar10 import CIFAR10_CLASSES as CLASS_NAMES
from mlptrain.errors import DataError
from mlptrain.images.labeled import load_labeled

WHITE, RED, GREEN, BLUE = (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)


IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
LABELS = np.array([0, 3, 9, 3], np.uint8)


def save(path, images=IMAGES, labels=LABELS, names=("images", "labels")):
    np.savez(path, **dict(zip(names, (images, labels), strict=True)))
    return str(path)


def refused(source):
    with pytest.raises(DataError) as caught:
        load_labeled(source, CLASS_NAMES)
    assert caught.value.received.startswith(source.partition(",")[0][:20])
    assert "\n" not in caught.value.received
    return caught.value.received


def write_images(folder, *colors):
    folder.mkdir(parents=True)
    for number, color in enumerate(colors or (RED,)):
        Image.new("RGB", (40, 40), color).save(folder / f"{number}.png")


def joined(folder, source):
    """Return the names of a source, such as `a.npy,b.npy`, as paths in the folder."""
    return ",".join(f"{folder}/{name}" for name in source.split(","))


def test_a_folder_has_folders_for_each_class_by_name_or_number(tmp_path):
    write_images(tmp_path / "cat", RED, GREEN)  # class 3
    write_images(tmp_path / "3", WHITE)
    write_images(tmp_path / "9", BLUE)
    images, labels = load_labeled(str(tmp_path), CLASS_NAMES)
    assert labels.dtype == np.uint8
    read = [(label, tuple(image[0, 0])) for label, image in zip(labels, images, strict=True)]
    assert sorted(read) == [(3, GREEN), (3, RED), (3, WHITE), (9, BLUE)]
    assert (images.dtype, images.shape) == (np.uint8, (4, 32, 32, 3))


def test_other_files_and_empty_folders_are_ignored(tmp_path):
    write_images(tmp_path / "cat")
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "unicorn").mkdir()
    (tmp_path / "readme.txt").write_text("")
    assert len(load_labeled(str(tmp_path), CLASS_NAMES)[0]) == 1


def test_what_is_left_out_of_a_folder_is_said(tmp_path):
    write_images(tmp_path / "cat")
    (tmp_path / "cat" / "IMG_1.HEIC").write_bytes(b"")
    lines = []
    load_labeled(str(tmp_path), CLASS_NAMES, say=lines.append)
    assert lines == [f"left out: {tmp_path}/cat/IMG_1.HEIC (a format that is not read)"]


def test_a_folder_of_one_class_leads_to_the_folder_above(tmp_path):
    write_images(tmp_path / "cat")
    write_images(tmp_path / "mixed")
    with pytest.raises(
        DataError, match=f"name the folder whose folders are the classes: --data {tmp_path}$"
    ):
        load_labeled(str(tmp_path / "cat"), CLASS_NAMES)
    with pytest.raises(DataError, match="mlptrain predict"):
        load_labeled(str(tmp_path / "mixed"), CLASS_NAMES)


def test_an_archive_has_to_be_unpacked(tmp_path):
    (tmp_path / "cats.zip").write_bytes(b"")
    with pytest.raises(DataError, match="unpack it, and name its folder"):
        load_labeled(str(tmp_path / "cats.zip"), CLASS_NAMES)


def test_images_of_an_unknown_class_are_not_ignored(tmp_path):
    for name in ("cat", "Dog", "cats", ".thumbnails"):
        write_images(tmp_path / name)
    assert refused(str(tmp_path)).endswith("also Dog, cats, with images")


@pytest.mark.parametrize("folders", [[], ["unicorn"], ["10", "03"]])
def test_a_folder_without_images_in_classes_is_refused(tmp_path, folders):
    for name in folders:
        write_images(tmp_path / name)
    assert "airplane, automobile" in refused(str(tmp_path))


def test_a_damaged_image_in_a_folder_is_named(tmp_path):
    write_images(tmp_path / "cat")
    (tmp_path / "cat" / "z.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"z\.png"):
        load_labeled(str(tmp_path), CLASS_NAMES)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("source", ["x.npz", "x.npy,x.npy"])
def test_a_named_pipe_is_refused_without_waiting(tmp_path, source):
    os.mkfifo(tmp_path / source.partition(",")[0])
    assert "a pipe, socket or device" in refused(joined(tmp_path, source))


def assert_equal(read, images, labels):
    np.testing.assert_array_equal(read[0], images)
    np.testing.assert_array_equal(read[1], labels)
    assert read[1].dtype == np.uint8


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y")])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, ">i4"])
def test_an_npz_is_read_by_its_names(tmp_path, names, dtype):
    source = save(tmp_path / "a.npz", labels=LABELS.astype(dtype).reshape(-1, 1), names=names)
    assert_equal(load_labeled(source, CLASS_NAMES), IMAGES, LABELS)


@pytest.mark.parametrize("name", ["test", "val"])
def test_an_npz_of_one_split_is_enough(tmp_path, name):
    source = save(tmp_path / "a.npz", names=(f"x_{name}", f"y_{name}"))
    assert_equal(load_labeled(source, CLASS_NAMES), IMAGES, LABELS)


def test_two_npy_are_read_in_this_order(tmp_path, monkeypatch):
    np.save(tmp_path / "i.npy", IMAGES)
    np.save(tmp_path / "l.npy", LABELS)
    read = load_labeled(joined(tmp_path, "i.npy,l.npy"), CLASS_NAMES)
    assert_equal(read, IMAGES, LABELS)
    np.save(tmp_path / "i.npy", IMAGES[..., ::-1] / 255)
    with pytest.raises(DataError) as caught:
        load_labeled(joined(tmp_path, "i.npy,l.npy"), CLASS_NAMES)
    monkeypatch.chdir(tmp_path)
    exec(caught.value.action.removeprefix("in Python: "), {"np": np})
    assert_equal(load_labeled("fixed.npz", CLASS_NAMES), IMAGES[..., ::-1], LABELS)
    np.save(tmp_path / "i.npy", IMAGES)
    assert "labels uint8" not in refused(joined(tmp_path, "l.npy,i.npy"))


@pytest.mark.parametrize(
    ("images", "labels", "reason"),
    [
        (IMAGES.astype(np.float32) / 255, LABELS, "images float32 (4, 32, 32, 3), from 0 to 1"),
        (IMAGES.reshape(4, -1), LABELS, "images uint8 (4, 3072)"),
        (IMAGES.transpose(0, 3, 1, 2), LABELS, "images uint8 (4, 3, 32, 32)"),
        (IMAGES[0], LABELS, "4 labels in labels for 32 images"),
        (np.uint8(3), LABELS, "images uint8 ()"),
        (IMAGES, LABELS[:3], "3 labels in labels for 4 images"),
        (IMAGES, np.ones((4, 10), np.uint8), "rows with more than one label"),
        (IMAGES, LABELS + 0.5, "labels float64 (4,), not whole numbers"),
        (IMAGES, LABELS.astype("U1"), "labels 0 in labels, not 10 classes"),
        (IMAGES, LABELS + 1, "labels 1 to 10 in labels, not 10 classes"),
        (IMAGES, LABELS.astype(int) - 1, "labels -1 to 8 in labels, not 10 classes"),
        (IMAGES, np.full(4, 2**63, np.uint64), "up to 9223372036854775808"),
        (IMAGES[:0], LABELS[:0], "no images"),
    ],
)
def test_other_arrays_are_refused_with_a_description(tmp_path, images, labels, reason):
    assert reason in refused(save(tmp_path / "a.npz", images, labels))


def test_objects_in_arrays_are_never_unpickled(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    objects, pickled = np.array([Payload()], dtype=object), pickle.dumps(Payload())
    np.savez(tmp_path / "a.npz", images=objects, labels=objects)
    np.save(tmp_path / "a.npy", objects)
    (tmp_path / "b.npy").write_bytes(pickled)
    write_zip(tmp_path / "b.npz", images=pickled, labels=pickled)
    for source in ("a.npz", "b.npz", "a.npy,a.npy", "b.npy,b.npy"):
        refused(joined(tmp_path, source))
    assert not (tmp_path / "pwned").exists()


def write_zip(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def npy(header, content=b""):
    """Return an `.npy` with any header."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def described(shape, kind="|u1"):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}"


HOSTILE_ARRAYS = {
    "empty": b"",
    "text": b"hello",
    "a header alone": npy(described("(4, 32, 32, 3)")),
    "half the content": npy(described("(4, 32, 32, 3)"), bytes(2 * 3072)),
    "a shape of 10 TB": npy(described("(10000000000, 32, 32, 3)")),
    "a shape beyond 64 bits": npy(described("(18446744073709551616, 32, 32, 3)")),
    "a negative shape": npy(described("(-1, 32, 32, 3)")),
    "a shape of text": npy(described("'many'")),
    "a type nobody knows": npy(described("(4,)", "|Z9")),
    "a type of objects": npy(described("(1,)", "|O"), pickle.dumps([1])),
    "a call in the header": npy("__import__('os').system('touch pwned')"),
    "brackets in the header": npy("(" * 9_000),
    "minus signs in the header": npy("-" * 9_000 + "1"),
    "a header of 60 KB": npy(" " * 60_000),
    "no keys in the header": npy("{}"),
    "a later version": b"\x93NUMPY\x09\x00" + bytes(100),
    "a zip": b"PK\x03\x04" + bytes(100),
    "a zip with nothing in it": b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("content", HOSTILE_ARRAYS.values(), ids=HOSTILE_ARRAYS)
def test_hostile_arrays_are_refused(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    np.save("l.npy", LABELS)
    (tmp_path / "a.npy").write_bytes(content)
    write_zip("a.npz", images=content, labels=(tmp_path / "l.npy").read_bytes())
    for source in ("a.npz", "a.npy,l.npy"):
        refused(joined(tmp_path, source))
    assert not (tmp_path / "pwned").exists()


def test_an_npz_named_npy_is_refused(tmp_path):
    save(tmp_path / "a.npz")
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    refused(joined(tmp_path, "a.npy,a.npy"))


def changed_npz(path, change, save=np.savez_compressed):
    """Write an `.npz`, let `change` alter its bytes, and return its path."""
    save(path, images=IMAGES, labels=LABELS)
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (6, b"\x01\x00"),  # encrypted
        (8, b"\x63\x00"),  # an unknown compression
        (14, b"\0\0\0\0"),  # another checksum
        (22, b"\x10\0\0\0"),  # a size that is too small
        (18, b"\x10\0\0\0"),  # a compressed size that is too small
    ],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_with_wrong_headers_is_refused(tmp_path, save, offset, value):
    def claim(content):
        in_both_headers(content, offset, value)

    refused(changed_npz(tmp_path / "a.npz", claim, save))


def test_an_npz_with_damaged_compression_is_refused(tmp_path):
    def damage(content):
        content[60:200] = b"\xff" * 140

    refused(changed_npz(tmp_path / "a.npz", damage))


def test_an_npz_that_would_unpack_to_more_than_4_gb_is_not_unpacked(tmp_path):
    def claim(content):
        in_both_headers(content, 22, b"\xff\xff\xff\xf0")

    assert "bytes when unpacked" in refused(changed_npz(tmp_path / "a.npz", claim))


def test_members_outside_the_folder_are_not_written(tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    source = save(inner / "a.npz")
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("../pwned", "x")
        archive.writestr(str(tmp_path / "pwned"), "x")
    assert_equal(load_labeled(source, CLASS_NAMES), IMAGES, LABELS)
    assert [path.name for path in tmp_path.rglob("*")] == ["inner", "a.npz"]


def test_the_refusal_of_an_npz_names_its_arrays(tmp_path):
    source = save(tmp_path / "a.npz", names=("pictures", "classes"))
    assert refused(source).endswith("it holds pictures, classes")


@pytest.mark.parametrize(
    "source", ["nowhere", "nowhere.npz", "a.npy", "a.npy,b.npy", ",", "", "~nobody_of_this_name/x"]
)
def test_a_missing_source_is_refused(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="expected: train, validation or test"):
        load_labeled(source, CLASS_NAMES)
