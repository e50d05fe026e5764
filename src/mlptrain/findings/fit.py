"""Whether a run fits too little, too much, too briefly or too long."""

from __future__ import annotations

import math

from mlptrain.finding import Severity
from mlptrain.findings.facts import Facts, RunFinding
from mlptrain.findings.thresholds import limit
from mlptrain.formatting import percent, quantity


def not_learning(facts: Facts) -> RunFinding | None:
    """Accuracies that stay near those of guessing, for no more basic reason that is known."""
    if not facts.epochs:
        return None
    if not facts.is_at_chance:
        return None
    if facts.is_imbalanced and facts.is_collapsed:
        return None  # guessing the frequent class is the finding
    higher, lower = facts.rate * 10, facts.rate / 10
    return facts.finding(
        "not_learning", "high", "The net does not learn: it is hardly better than guessing.",
        f"Best accuracy {percent(facts.best_accuracy)} and training accuracy "
        f"{percent(facts.train_accuracy)} "
        f"in {facts.epochs} epochs; guessing scores {percent(facts.guess)}",
        1,
                f"optimizer.learning_rate={lower:.3g}", f"optimizer.learning_rate={higher:.3g}",
        "model=mlp activation=relu initializer=he_normal optimizer=adam",
    )  # fmt: skip


def overfitting(facts: Facts) -> RunFinding | None:
    """A saved net that has learned its training images by heart, at the cost of others."""
    if not facts.is_validated or facts.epochs < 3:
        return None
    losses, accuracies = facts.column("val_loss"), facts.column("val_accuracy")
    lowest = min(facts.known("val_loss"))
    best = losses.index(lowest)
    at_end = facts.metrics.get("val_loss", losses[-1])
    training = facts.metrics.get("train_accuracy", facts.column("accuracy")[-1])
    validation = facts.metrics.get("val_accuracy", accuracies[-1])
    gap = training - validation
    if at_end < limit("overfit_loss") * lowest or gap < limit("overfit_gap"):
        return None
    lost = max(facts.known("val_accuracy")) - validation
    drops = {"model.dropout": 0.3, "model.drop_path": 0.1}  # whichever the family has
    key = next((key for key in drops if key in facts.settings), "")
    is_low = key and facts.number(key) < drops[key]
    regular = f"{key}={drops[key]}" if is_low else "regularization=l2"
    is_photo = facts.choice("data").startswith("cifar10")
    flips = ["augmentation=flip_shift"] if is_photo else []
    return facts.finding(
        "overfitting", "high" if lost > 3 * facts.noise else "medium",
        f"The net overfits since epoch {best + 2}: it gets better on its training images only.",
        f"The validation loss is lowest in epoch {best + 1} ({lowest:.3f}) and {at_end:.3f} in "
        f"the saved net; accuracy {percent(training)} on training images, {percent(validation)} "
        f"on validation; {lost * 100:.1f} points of validation accuracy were lost",
        best + 2,
                " ".join(["callbacks=default", regular, *flips]), "callbacks=default",
        "regularization=label_smoothing callbacks=default",
    )  # fmt: skip


def stopped_too_early(facts: Facts) -> RunFinding | None:
    """A run that ended while it was still getting better."""
    budget = facts.number("train.epochs")
    losses = facts.column(f"{facts.judged}loss")
    if facts.reason is not None or not facts.epochs or facts.epochs < budget:
        return None
    if facts.choice("schedule") != "constant" and facts.epochs > limit("few_epochs"):
        return None  # a schedule is made for its number of epochs
    window = max(1, facts.epochs // 4)
    if facts.epochs == 1:
        return _early(facts, "there is no second one to compare with")
    before, after = min(losses[:-window]), min(losses[-window:])
    training = facts.column("loss")
    falls = 1 - after / before if before > 0 else 0.0
    # Per epoch: a fall over a long window may be slow enough to be worth little.
    is_last_best = losses.index(min(losses)) >= facts.epochs - max(1, window // 2)
    accuracies = facts.column(f"{facts.judged}accuracy")
    gains = max(accuracies[-window:]) - max(accuracies[:-window])
    is_worth_it = gains > max(facts.noise / 2, 0.005) or falls > 3 * limit("still_improving")
    if falls < limit("still_improving") or not is_last_best or not is_worth_it:
        return None
    if training[-1] >= training[-2]:
        return None
    if not facts.is_validated and facts.has_learned("fitted"):
        return None  # the training loss may fall for ever
    last = "the last epoch" if window == 1 else f"the last {window} epochs"
    return _early(
        facts,
        f"the {'validation' if facts.judged else 'training'} loss fell by {percent(falls, 0)} in "
        f"{last}, to {after:.3f}; accuracy rose by {gains * 100:.1f} points",
    )


def _early(facts: Facts, evidence: str) -> RunFinding:
    more = max(60, facts.epochs * 2)
    return facts.finding(
        "stopped_too_early", "medium",
        "The run ended while it was still improving: train longer.",
        f"After {quantity(facts.epochs, 'epoch')}, {evidence}", facts.epochs,
        f"train.epochs={more} callbacks=default", f"train.epochs={more}",
        f"optimizer.learning_rate={facts.rate * 3:.3g}",
    )  # fmt: skip


def trained_too_long(facts: Facts) -> RunFinding | None:
    """Epochs that gained nothing."""
    accuracies = facts.column(f"{facts.judged}accuracy")
    highest = max(facts.known(f"{facts.judged}accuracy"), default=math.nan)
    if facts.epochs < 12 or math.isnan(highest):
        return None
    if facts.settings.get("callbacks.early_stopping.enabled") is True:
        return None  # the run has its patience
    tolerance = facts.noise / 2
    last_gain = next(
        number for number, value in enumerate(accuracies, 1) if value >= highest - tolerance
    )
    wasted = facts.epochs - last_gain
    if wasted < max(10, limit("wasted_epochs") * facts.epochs):
        return None
    if facts.choice("schedule") not in ("", "constant") or highest < facts.guess + 0.05:
        return None
    seconds = sum(v for v in facts.column("seconds")[last_gain:] if not math.isnan(v))
    return facts.finding(
        "trained_too_long", "low",
        f"The last {wasted} of {facts.epochs} epochs gained nothing.",
        f"Accuracy {percent(accuracies[last_gain - 1])} in epoch {last_gain}, at most "
        f"{percent(highest)} "
        f"afterward (noise ±{percent(facts.noise)}); {seconds:.0f} s were spent on it",
        last_gain + 1,
        "callbacks=default", f"train.epochs={last_gain + 5}",
    )  # fmt: skip


def underfitting_regularization(facts: Facts) -> RunFinding | None:
    """Penalties, dropout or augmentation so strong that the net cannot fit its images."""
    fitted = facts.learned(facts.metrics.get("train_accuracy", facts.train_accuracy))
    losses = facts.column("loss")
    if not losses or fitted >= limit("fully_fitted"):
        return None
    share = facts.penalty(facts.last_measured) / losses[-1] if losses[-1] > 0 else 0.0
    dropout = facts.number("model.dropout")
    # Against later epochs: in its own, the running accuracy is that of a less trained net.
    clean = max(facts.known(f"{facts.judged}accuracy")[:-1], default=0.0)
    running = max(facts.column("accuracy"))
    overrides, signs = [], []
    l1, l2 = facts.number("regularization.l1"), facts.number("regularization.l2")
    shrunk = _norm_share(facts) < limit("shrunk")
    if shrunk and facts.number("optimizer.weight_decay") > limit("weight_decay"):
        overrides.append("optimizer.weight_decay=0.004")
        signs.append(
            f"weight decay {facts.number('optimizer.weight_decay'):g} has shrunk the kernels to "
            f"{percent(_norm_share(facts), 0)} of their norm"
        )
    elif (limit_of_norm := facts.number("regularization.max_norm", 1.0)) < limit("max_norm"):
        overrides.append("regularization=none")
        signs.append(f"max_norm {limit_of_norm:g} bounds the weights")
    elif share >= limit("penalty_share") or (shrunk and (l1 >= 1e-4 or l2 >= 1e-3)):
        overrides.append("regularization=none")
        signs.append(
            f"{percent(min(share, 1), 0)} of the training loss is the penalty (l1 {l1:g}, l2 "
            f"{l2:g}), and "
            f"the kernels have shrunk to {percent(_norm_share(facts), 0)} of their norm"
        )
    if fitted >= limit("fitted") and not overrides:
        return None  # only a penalty costs that little
    if dropout >= limit("dropout"):
        overrides.append("model.dropout=0.2")
        signs.append(f"dropout is {dropout:g}")
    is_mixed = facts.number("augmentation.mixup") or facts.number("augmentation.cutmix")
    if clean - running > limit("overfit_gap") and not is_mixed:
        signs.append(
            f"accuracy is at most {percent(running)} while it trains, and {percent(clean)} on "
            "clean validation images of an earlier epoch"
        )
        if not overrides:
            overrides.append("augmentation=none")
    if not overrides:
        return None
    # Without what holds it back, the net may overfit.
    never_stops = facts.settings.get("callbacks.early_stopping.enabled") is False
    return facts.finding(
        "underfitting_regularization",
        "high" if facts.learned(facts.highest_accuracy) < limit("well_learned") else "medium",
        "The net underfits because it is regularized too much.",
        f"Accuracy {percent(facts.train_accuracy)} on training images; {'; '.join(signs)}", 1,
        " ".join([*overrides, *["callbacks=default"] * never_stops]),
        *overrides[not never_stops :][:2],
    )  # fmt: skip


def _norm_share(facts: Facts) -> float:
    """Return the smallest norm of a hidden kernel at the end, as a share of the untrained one."""
    before = {row["layer"]: row.get("kernel_norm") for row in facts.hidden_at(0)}
    shares = [
        (row.get("kernel_norm") or 0.0) / norm
        for row in facts.hidden_at(facts.last_measured)
        if (norm := before.get(row["layer"]))
    ]
    return min(shares, default=1.0)


def underfitting_capacity(facts: Facts) -> RunFinding | None:
    """Nets so narrow that their training accuracy stops rising far from what others reach."""
    losses = facts.column("loss")
    if facts.epochs < 5 or not facts.hidden_at(0):
        return None
    narrow = min(
        ((row.get("units") or math.inf, row["layer"]) for row in facts.hidden_at(0)),
        default=(math.inf, ""),
    )
    if narrow[0] > limit("bottleneck") * facts.classes:
        return None
    if facts.has_learned("fitted") or (facts.is_imbalanced and facts.is_collapsed):
        return None
    third = max(2, facts.epochs // 3)
    fall = 1 - losses[-1] / losses[-third] if losses[-third] > 0 else 0.0
    gap = facts.train_accuracy - facts.best_accuracy
    severity: Severity = "high" if not facts.has_learned("well_learned") else "medium"
    return facts.finding(
        "underfitting_capacity", severity,
        "The net is too small: it cannot fit even its training images.",
        f"{narrow[1]} has {narrow[0]:g} units for {facts.classes} classes; accuracy "
        f"{percent(facts.train_accuracy)} on training images, {gap * 100:.1f} points above "
        f"validation; the training loss fell by {percent(fall, 0)} in the last {third} epochs",
        1,
                "model=mlp model.hidden=[128,64] model.dropout=0 callbacks=default",
        "model=shallow callbacks=default", "model=mlp",
    )  # fmt: skip
