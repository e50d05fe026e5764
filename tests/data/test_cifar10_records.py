import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from mlptrain.data import cifar10
from mlptrain.data.cifar10 import DamagedRecordsError, damaged_records, read_records
from mlptrain.datasets.cifar10 import CIFAR10_CLASSES
from mlptrain.errors import DataError


@pytest.fixture
def folder(tiny, tmp_path):
    return tiny.write_folder(tmp_path / "records")


def test_records_decode_to_the_images_and_labels_they_were_made_from(tiny, folder):
    arrays = read_records(folder)
    train = cifar10.TRAIN_FILES
    np.testing.assert_array_equal(
        arrays.train_images, np.concatenate([tiny.IMAGES[name] for name in train])
    )
    np.testing.assert_array_equal(
        arrays.train_labels, np.concatenate([tiny.LABELS[name] for name in train])
    )
    np.testing.assert_array_equal(arrays.test_images, tiny.IMAGES["test_batch.bin"])
    np.testing.assert_array_equal(arrays.test_labels, tiny.LABELS["test_batch.bin"])
    for array in (arrays.train_images, arrays.train_labels, arrays.test_images):
        assert array.dtype == np.uint8
        assert array.flags.c_contiguous


def test_a_record_is_the_label_then_red_green_and_blue_row_by_row():
    images = np.zeros((1, 32, 32, 3), np.uint8)
    images[0, 0, 1] = (10, 20, 30)
    (record,) = cifar10.encode_records(images, np.array([7], np.uint8))
    assert record.shape == (3073,)
    assert tuple(record[[0, 2, 1026, 2050]]) == (7, 10, 20, 30)
    assert record.sum() == 7 + 10 + 20 + 30


def test_the_official_files_are_the_six_of_the_binary_distribution():
    assert list(cifar10.RECORD_SHA1) == [*cifar10.TRAIN_FILES, cifar10.TEST_FILE]
    assert cifar10.file_bytes() == 30_730_000
    assert len(CIFAR10_CLASSES) == 10
    joined = "".join(cifar10.RECORD_SHA1[name] for name in sorted(cifar10.RECORD_SHA1))
    assert hashlib.sha256(joined.encode()).hexdigest() == cifar10.DATASET_CHECKSUM


def test_intact_records_have_no_damage(folder):
    assert damaged_records(folder) == {}


def test_a_missing_folder_misses_all_six_files(tiny, tmp_path):
    assert damaged_records(tmp_path / "none") == dict.fromkeys(tiny.NAMES, "missing")


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)


def replace_with_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: os.truncate(path, 10_000), "size is 10,000 bytes"),
        (lambda path: path.write_bytes(b""), "size is 0 bytes"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "size is 12,293 bytes"),
        (flip_a_bit, "hash is"),
        (replace_with_a_pipe, "missing"),
    ],
    ids=["missing", "truncated", "empty", "longer", "one bit flipped", "a pipe"],
)
def test_a_damaged_file_is_named_with_the_reason(folder, damage, reason):
    damage(folder / "data_batch_3.bin")
    assert list(damaged_records(folder)) == ["data_batch_3.bin"]
    assert damaged_records(folder)["data_batch_3.bin"].startswith(reason)
    with pytest.raises(DamagedRecordsError, match=r"data_batch_3\.bin") as caught:
        read_records(folder)
    assert caught.value.damaged == damaged_records(folder)
    assert isinstance(caught.value, DataError)


def test_swapped_files_are_refused_as_swapped(folder):
    first, second = folder / "data_batch_1.bin", folder / "test_batch.bin"
    first.rename(folder / "aside")
    second.rename(first)
    (folder / "aside").rename(second)
    damaged = damaged_records(folder)
    assert "that of test_batch.bin" in damaged["data_batch_1.bin"]
    assert "that of data_batch_1.bin" in damaged["test_batch.bin"]


def test_reading_and_fetching_data_never_imports_tensorflow():
    code = (
        "import sys, mlptrain.data.sources, mlptrain.data.mini; mlptrain.data.mini.load_mini();"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
