import numpy as np
import pytest

from mlptrain.data import mini
from mlptrain.data.mini import load_mini
from mlptrain.errors import DataError


def test_the_mini_set_has_2000_training_and_500_test_images_as_uint8():
    arrays = load_mini()
    assert arrays.train_images.shape == (2000, 32, 32, 3)
    assert arrays.test_images.shape == (500, 32, 32, 3)
    assert arrays.train_labels.shape == (2000,)
    assert arrays.test_labels.shape == (500,)
    assert {array.dtype for array in vars(arrays).values()} == {np.dtype(np.uint8)}


def test_every_class_is_equally_frequent():
    arrays = load_mini()
    assert np.bincount(arrays.train_labels).tolist() == [200] * 10
    assert np.bincount(arrays.test_labels).tolist() == [50] * 10


def test_any_first_part_is_roughly_balanced():
    arrays = load_mini()
    for first in (200, 500, 1000, 1800):
        shares = np.bincount(arrays.train_labels[:first], minlength=10) / first
        assert shares.min() > 0.05
        assert shares.max() < 0.15


def test_the_images_are_photographs_and_all_different():
    images = load_mini().train_images
    assert 30 < images.std() < 90
    assert len(np.unique(images.reshape(2000, -1), axis=0)) == 2000


def test_the_packaged_file_is_at_most_6_mb():
    path = mini.resources.files("mlptrain.data") / mini.FILE_NAME
    assert len(path.read_bytes()) <= 6_000_000


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped", "not an archive"])
def test_a_damaged_installation_is_refused_with_what_to_do(tmp_path, monkeypatch, damage):
    content = bytearray((mini.resources.files("mlptrain.data") / mini.FILE_NAME).read_bytes())
    if damage == "truncated":
        del content[len(content) // 2 :]
    if damage == "flipped":
        content[len(content) // 3] ^= 255
    if damage == "not an archive":
        content[:] = b"hello"
    if damage != "missing":
        (tmp_path / mini.FILE_NAME).write_bytes(content)
    monkeypatch.setattr(mini.resources, "files", lambda _: tmp_path)
    with pytest.raises(DataError, match="reinstall"):
        load_mini()
