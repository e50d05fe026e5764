import numpy as np

from mlptrain.reports.calibration import score


def test_no_score_depends_on_the_order_of_the_images():
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet(np.ones(10), 1_797).astype(np.float32)
    labels = draw.integers(0, 10, 1_797)
    expected = score(probabilities, labels)
    for _ in range(20):
        order = draw.permutation(len(labels))
        assert score(probabilities[order], labels[order]) == expected
