"""What a data set says of its classes: how many images, and what guessing would score."""

import numpy as np

from mlptrain.data.dataset import Dataset, Split


def dataset(train, validation, test, names=("cat", "dog", "eel")):
    parts = [Split(np.zeros((len(p), 2, 2, 3), np.uint8), np.array(p, np.uint8))
             for p in (train, validation, test)]  # fmt: skip
    return Dataset("folder", "photos", "0" * 64, names, *parts)


def test_guessing_takes_the_most_frequent_class_of_train():
    uneven = dataset([1] * 9 + [0] * 2 + [2], [1, 1, 1, 0], [0, 1])
    assert uneven.guessing() == {"validation": 0.75, "test": 0.5}
    assert uneven.class_counts()["train"] == [2, 9, 1]
    assert "guessing the most frequent one: validation 75.0 %, test 50.0 %" in (
        uneven.class_summary()
    )


def test_classes_without_images_in_a_split_are_named():
    summary = dataset([0, 1, 2], [0, 1], [2]).class_summary()
    assert summary.startswith("3, 1 training images each; ")
    assert "no validation images of eel" in summary
    assert "no test images of cat, dog" in summary


def test_a_split_without_images_is_not_remarked_upon():
    even = dataset([0, 1, 2, 0, 1, 2], [], [0, 1, 2])
    assert "validation" not in even.class_summary()
    assert even.guessing() == {"test": 1 / 3}
