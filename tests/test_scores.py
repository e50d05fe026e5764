import numpy as np
import pytest
from sklearn.metrics import f1_score, top_k_accuracy_score

from mlptrain.scores import macro_f1, top5_accuracy


@pytest.mark.parametrize(("images", "classes"), [(5_000, 10), (300, 200), (3, 200), (1, 2)])
def test_macro_f1_is_that_of_scikit_learn_over_the_classes_with_images(images, classes):
    draw = np.random.default_rng(images)
    labels = draw.integers(0, classes, images).astype(np.uint8)
    predicted = np.where(draw.random(images) < 0.4, labels, draw.integers(0, classes, images))
    expected = f1_score(
        labels, predicted, labels=np.unique(labels), average="macro", zero_division=0
    )
    assert macro_f1(labels, predicted) == pytest.approx(expected, rel=1e-12)


def test_top5_accuracy_is_that_of_scikit_learn():
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet(np.ones(50), 400).astype(np.float32)
    labels = draw.integers(0, 50, 400).astype(np.uint8)
    expected = top_k_accuracy_score(labels, probabilities, k=5, labels=range(50))
    assert top5_accuracy(labels, probabilities) == pytest.approx(expected)
