import numpy as np

from mlptrain.reports.calibration import score


def test_classes_without_an_image_do_not_count_against_macro_f1():
    labels = np.array([3, 3, 7, 7])
    right = np.eye(10, dtype=np.float32)[labels]
    assert score(right, labels).macro_f1 == 1.0
    wrong = np.eye(10, dtype=np.float32)[[3, 3, 7, 0]]
    assert score(wrong, labels).macro_f1 == (1.0 + 2 / 3) / 2


def test_no_score_depends_on_the_order_of_the_images():
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet(np.ones(10), 1_797).astype(np.float32)
    labels = draw.integers(0, 10, 1_797)
    expected = score(probabilities, labels)
    for _ in range(20):
        order = draw.permutation(len(labels))
        assert score(probabilities[order], labels[order]) == expected
