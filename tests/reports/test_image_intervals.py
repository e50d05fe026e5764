"""Intervals that hold for new images, from the predictions of runs."""

import numpy as np
import pytest
from crafted import seeds, write_predictions, write_run

from mlptrain.reports.comparison import compare
from mlptrain.reports.verdict import verdict
from mlptrain.store.runs import find_runs


def text_of(group):
    return " ".join(verdict(group))


IMAGE_LABELS = np.arange(200, dtype=np.uint8) % 10


def write_judged(folder, overrides, right, is_old=False):
    """Write a run that gets these validation images right."""
    predicted = np.where(right, IMAGE_LABELS, (IMAGE_LABELS + 1) % 10)
    run = write_run(folder, *overrides.split(), val=float(np.mean(right)))
    write_predictions(run, predicted, IMAGE_LABELS, "validation", is_old)
    return run


@pytest.fixture
def judged(tmp_path):
    """Three seeds of two nets that differ on images which depend on the seed only a little."""
    generator = np.random.default_rng(1)
    shared = generator.random(200) < 0.5
    lost = generator.permutation(np.flatnonzero(shared))[:20]
    for seed in (1, 2, 3):
        for name, missing in (("relu", lost[:3]), ("tanh", lost)):
            right = shared.copy()
            right[missing] = False
            right[generator.integers(200, size=2)] ^= True
            write_judged(tmp_path / f"{name}-{seed}", f"activation={name} seed={seed}", right)
    return tmp_path


def test_intervals_hold_for_new_images_as_the_predictions_of_the_runs_say(judged):
    (group,) = compare(find_runs([judged]).runs)
    versus = group.configurations[1].versus
    assert (versus.image_error, versus.n) == ("predictions", 3)
    # About 17 of 200 images make the difference: a standard error of 2 points, whatever the seeds.
    assert versus.high - versus.low > 0.06
    assert versus.seed_share < 0.4
    assert group.best.figures["validation"].image_error == "predictions"
    assert group.best.figures["test"].image_error == "bound"
    assert group.best.figures["train"].image_error == "none"
    text = text_of(group)
    assert "Of the variance of its difference from tanh, " in text
    assert "would shrink to ±" in text
    assert "with a validation set twice as large, and to ±" in text
    assert "binomial" not in text


@pytest.mark.parametrize("change", ["missing", "of other images", "of another run"])
def test_without_matching_predictions_the_binomial_bound_takes_their_place(judged, change):
    file = judged / "tanh-2" / "predictions.npz"
    if change == "missing":
        file.unlink()
    else:
        labels = IMAGE_LABELS if change == "of another run" else IMAGE_LABELS[::-1]
        write_predictions(file.parent, labels.astype(int), labels, "validation", is_old=False)
    (group,) = compare(find_runs([judged]).runs)
    best, other = group.configurations
    assert (best.figures["validation"].image_error, other.versus.image_error) == (
        "predictions", "bound",
    )  # fmt: skip
    assert "the binomial bound, which is too large: predictions are missing" in text_of(group)
    assert other.versus.high - other.versus.low > 0.18  # √(2 · 0.25 / 200) = 5 points


def test_predictions_of_an_earlier_release_say_the_same(judged, tmp_path_factory):
    (group,) = compare(find_runs([judged]).runs)
    for folder in judged.iterdir():
        with np.load(folder / "predictions.npz") as stored:
            probabilities, labels = (stored[f"validation_{p}"] for p in ("probabilities", "labels"))
        write_predictions(folder, probabilities, labels, "validation")
    (old,) = compare(find_runs([judged]).runs)
    assert old.configurations[1].versus == group.configurations[1].versus


def test_the_interval_of_an_accuracy_stays_within_0_and_100_percent(group_of):
    figure = group_of(*seeds("", 0.1, 0.9), *seeds("optimizer=sgd", 0.0, 0.02)).configurations
    for configuration in figure:
        interval = configuration.figures["validation"]
        assert 0 <= interval.low < interval.mean < interval.high <= 1
