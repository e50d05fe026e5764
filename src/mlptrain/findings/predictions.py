"""What is wrong with the predictions, and with the figures that judge them."""

from __future__ import annotations

import math

from mlptrain.finding import Severity
from mlptrain.findings.facts import Facts, RunFinding
from mlptrain.findings.thresholds import limit
from mlptrain.formatting import percent


def collapsed_predictions(facts: Facts) -> RunFinding | None:
    """Nets that predict one class for nearly every image."""
    if not facts.is_collapsed:
        return None
    share, name = facts.top_class
    accuracy = facts.metrics.get("test_accuracy", facts.best_accuracy)
    guess = facts.guessing.get("test", facts.guess)
    if accuracy > guess + 0.5 * (1 - guess):
        return None  # most images are of one class, and the others are found too
    balance = ["data.class_weights=balanced"] * facts.is_imbalanced
    return facts.finding(
        "collapsed_predictions", "high", "The net predicts one class for nearly every image.",
        f"{percent(share, 0)} {name} are predicted as one class; accuracy {percent(accuracy)}, "
        f"guessing {percent(guess)}",
        None,
                *balance, f"optimizer.learning_rate={facts.rate / 3:.3g}",
        "model.batch_norm=true" if facts.settings.get("model.batch_norm") is False
        else "optimizer=adam",
    )  # fmt: skip


def classes_ignored(facts: Facts) -> RunFinding | None:
    """Classes that are never predicted, or are mostly taken for another one."""
    counts = facts.confusion
    if not counts:
        return None
    never, confused = [], []
    for number, row in enumerate(counts):
        images, name = sum(row), facts.class_names[number]
        if images >= 2 and not sum(line[number] for line in counts):
            never.append(f"{name} ({images} images)")
            continue
        if images < 5:
            continue
        other = max((c, k) for k, c in enumerate(row) if k != number)
        if other[0] > row[number] and other[0] >= 0.4 * images:
            confused.append(
                f"{name} for {facts.class_names[other[1]]} ({percent(other[0] / images, 0)})"
            )
    if not never and not confused:
        return None
    sizes = [sum(row) for row in counts if sum(row)]
    is_uneven = max(sizes) >= limit("uneven") * min(sizes)
    severity: Severity = ("high" if is_uneven else "medium") if never else "low"
    parts = [f"never predicted: {', '.join(never[:5])}"] if never else []
    parts += [f"mostly mistaken: {', '.join(confused[:5])}"] if confused else []
    return facts.finding(
        "classes_ignored", severity,
        "Some classes are never predicted." if never else
        "Some classes are mistaken for another one more often than they are recognized.",
        "On the test images, " + "; ".join(parts), None,
                "data.class_weights=balanced", "regularization=label_smoothing",
    )  # fmt: skip


def miscalibrated(facts: Facts) -> RunFinding | None:
    """Confidence that does not match accuracy."""
    best = int(facts.metrics.get("best_epoch", facts.last_measured))
    row = facts.network(best) or facts.network(facts.last_measured)
    error, confidence = row.get("calibration_error"), row.get("confidence")
    accuracy = row.get("probe_accuracy")
    if error is None or confidence is None or accuracy is None:
        return None
    if error < limit("calibration_error") or facts.learned(facts.best_accuracy) < limit("learned"):
        return None
    is_over = confidence > accuracy
    smoothing = facts.number("regularization.label_smoothing")
    commands = (
        ["regularization.label_smoothing=0.1", "callbacks=default", "augmentation=mixup"]
        if is_over
        else ["regularization.label_smoothing=0", "augmentation=none"]
        if smoothing
        else ["augmentation=none", f"train.epochs={facts.epochs * 2}"]
    )
    return facts.finding(
        "miscalibrated", "medium",
        f"The probabilities are {'too high' if is_over else 'too low'}: they do not say how often "
        "the net is right.",
        f"In epoch {best} the mean confidence is {percent(confidence)} and the accuracy "
        f"{percent(accuracy)}; calibration error {percent(error)}"
        + (f" (label smoothing {smoothing:g})" if smoothing else ""),
        best, *commands,
    )  # fmt: skip


def small_evaluation(facts: Facts) -> RunFinding | None:
    """Figures from so few images, or none, that they cannot be compared."""
    test, validation = facts.sizes.get("test"), facts.sizes.get("validation")
    if test is None or validation is None:
        return None
    signs, overrides = [], []
    if validation == 0:
        signs.append(
            "there are no validation images, so nothing can be chosen without the test set"
        )
        overrides.append("data.validation_fraction=0.1")
    if test < limit("small_test"):
        accuracy = facts.metrics.get("test_accuracy", 0.5)
        error = math.sqrt(max(accuracy * (1 - accuracy), 0.01) / max(test, 1))
        signs.append(f"test has {test} images: its accuracy is uncertain by ±{percent(2 * error)}")
        if "data.test_fraction" in facts.settings and not facts.number("data.limit"):
            overrides.append("data.test_fraction=0.3")
        elif facts.number("data.limit"):
            overrides.append("data.limit=null")
    if not signs:
        return None
    return facts.finding(
        "small_evaluation", "high" if test < limit("tiny_test") else "medium",
        "The figures cannot be compared: too few images judge the run.",
        "; ".join(signs), None, *([" ".join(overrides)] if overrides else []),
    )  # fmt: skip


def choice_within_noise(facts: Facts) -> RunFinding | None:
    """A best epoch that may be best by chance, as there are few validation images."""
    size = facts.sizes.get("validation", 0)
    if not 0 < size < limit("small_validation") or facts.epochs < 3:
        return None
    accuracies = facts.known("val_accuracy")
    highest = max(accuracies, default=0.0)
    close = sum(1 for value in accuracies if value >= highest - facts.noise)
    if close < 2:
        return None
    overrides = (
        "data.validation_fraction=0.2" if not facts.number("data.limit") else "data.limit=null"
    )
    return facts.finding(
        "choice_within_noise", "medium" if size < limit("tiny_validation") else "low",
        "The choice of the best epoch is within the noise of the validation images.",
        f"{size} validation images have a standard error of {percent(facts.noise)}; {close} of "
        f"{len(accuracies)} epochs are within it",
        None, overrides,
    )  # fmt: skip
