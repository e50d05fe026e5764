"""What the learning rate and the number of steps do to a run."""

from __future__ import annotations

import math
from itertools import pairwise

from mlptrain.findings.facts import Facts, RunFinding
from mlptrain.findings.fit import overfitting
from mlptrain.findings.thresholds import limit
from mlptrain.formatting import percent


def diverged(facts: Facts) -> RunFinding | None:
    """Losses that were not finite, which ended the run."""
    if facts.reason is None or "NaN or infinity" not in facts.reason:
        return None
    return facts.finding(
        "diverged", "high",
        "The training diverged: loss or weights became infinite, and the run ended.",
        f"{facts.reason.removeprefix('Training failed: ')}; the default rate of "
        f"optimizer={facts.settings.get('optimizer')} is {facts.default_rate:g}",
        facts.epochs + 1, *lower_rates(facts), range_test=True,
    )  # fmt: skip


def rate_too_high(facts: Facts) -> RunFinding | None:
    """Steps so large that they destroy what the net has, instead of improving it."""
    signs, since = [], None
    start = facts.network(0).get("probe_loss")
    losses = facts.column("loss")
    # With much dropout the running loss is that of nets with most units missing.
    is_noisy = facts.number("model.dropout") >= limit("dropout")
    if start is not None and not is_noisy:
        base = max(start, facts.loss_of_guessing)
        for epoch, loss in enumerate(losses, start=1):
            net = loss - max(facts.penalty(epoch - 1), facts.penalty(epoch))
            if net >= limit("loss_jump") * base:
                since = since or epoch
                signs.append(
                    f"the mean training loss of epoch {epoch} is {loss:.3g}; the untrained net's "
                    f"is {start:.3g}"
                )
                break
    growth, layer = _growth(facts)
    if growth >= limit("kernel_growth"):
        since = since or 1
        signs.append(f"the first epoch multiplied the norm of {layer}'s kernel by {growth:.3g}")
    if not signs and not is_noisy:
        signs, since = _lost_again(facts)
    at_start, _ = facts.worst(0, "dead_share")
    dead, dead_layer = facts.worst(facts.last_measured, "dead_share")
    has_killed = at_start < limit("dead_share") <= dead and not facts.has_learned("well_learned")
    if not signs and has_killed and facts.rate >= limit("many_times") * facts.default_rate:
        since = 1
        signs = [f"the default rate of {facts.choice('optimizer')} is {facts.default_rate:g}"]
    if not signs:
        return None
    if dead >= limit("dead_share"):
        signs.append(f"{percent(dead, 0)} of the units of {dead_layer} are dead at the end")
    signs.append(f"best accuracy {percent(facts.best_accuracy)}, guessing {percent(facts.guess)}")
    return facts.finding(
        "rate_too_high", "high",
        f"The learning rate {facts.rate:g} is too high: the first steps ruin the weights.",
        "; ".join(signs), since, *lower_rates(facts), range_test=True,
    )  # fmt: skip


def _growth(facts: Facts) -> tuple[float, str]:
    """Return by how much the first epoch multiplied the norm of a kernel, and its layer."""
    # A kernel that starts near zero has to grow: to the norm that units of norm 1 have.
    before = {
        row["layer"]: max(
            row.get("kernel_norm") or 0.0, math.sqrt(max(row.get("units") or 0.0, 0.0))
        )
        for row in facts.at(0)
    }
    growths = [
        ((row.get("kernel_norm") or 0.0) / norm, row["layer"])
        for row in facts.at(1)
        if (norm := before.get(row["layer"]))
    ]
    return max(growths, default=(0.0, ""))


def _lost_again(facts: Facts) -> tuple[list[str], int | None]:
    """Return signs of a net that stays at or falls back to guessing though its steps are large."""
    if not facts.epochs:
        return [], None
    best = max(facts.best_accuracy, max(facts.column("accuracy")))
    last = max(facts.column("accuracy")[-1], facts.column(f"{facts.judged}accuracy")[-1])
    if facts.learned(last) < limit("learned") and best >= last + limit("lost"):
        accuracies = facts.column(f"{facts.judged}accuracy")
        top = accuracies.index(max(accuracies)) + 1
        return [
            f"accuracy rose to {percent(max(accuracies))} in epoch {top} and was "
            f"{percent(accuracies[-1])} at the end"
        ], top + 1
    if not facts.is_at_chance:
        return [], None
    if not facts.measured_epochs:
        times = facts.rate / facts.default_rate
        return (
            (["nothing was learned", f"{times:.3g} times the default rate"], 1)
            if (times >= limit("many_times"))
            else ([], None)
        )
    ratio, layer = max(
        (facts.worst(epoch, "update_ratio") for epoch in facts.measured_epochs[1:]),
        default=(0.0, ""),
    )
    has_dead_layer = facts.worst(facts.last_measured, "dead_share")[0] >= limit("dead_share")
    if not has_dead_layer and facts.rate <= facts.default_rate * 3:
        return [], None
    if ratio * facts.steps < limit("small_epoch_update"):
        return [], None
    sign = f"an epoch changed {layer}'s kernel by {percent(ratio * facts.steps, 0)} of its norm"
    return [f"{sign}, and nothing was learned"], 1


def lower_rates(facts: Facts) -> list[str]:
    """Return overrides with a lower rate: the optimizer's default, or a tenth; then others."""
    target = facts.rate / 10
    if facts.rate >= 2 * facts.default_rate:
        target = facts.default_rate
    overrides = [f"optimizer.learning_rate={target:.3g}"]
    if facts.settings.get("regularization.clip_norm") is None:
        overrides.append(f"{overrides[0]} regularization.clip_norm=1")
    elif not facts.number("schedule.warmup"):
        overrides.append(f"{overrides[0]} schedule=cosine schedule.warmup=0.05")
    return overrides


def rate_too_low(facts: Facts) -> RunFinding | None:
    """Steps so small that the budget does not suffice."""
    trained = facts.measured_epochs[1:]
    if not trained or not facts.steps or math.isnan(facts.rate):
        return None
    if facts.has_learned("well_learned"):
        return None
    if facts.number("schedule.warmup") and facts.epochs < 3:
        return None
    ratio, layer = max(facts.worst(epoch, "update_ratio") for epoch in trained)
    if ratio >= limit("small_update") or facts.worst(0, "gradient_norm")[0] <= 0:
        return None
    if ratio * facts.steps >= limit("small_epoch_update"):
        return None
    losses = facts.column("loss")
    if len(losses) > 1 and losses[-1] > losses[0] * 1.01:
        return None
    target = facts.default_rate if facts.rate <= facts.default_rate / 2 else facts.rate * 10
    overrides = [f"optimizer.learning_rate={rate:.3g}" for rate in (target, target / 3)]
    return facts.finding(
        "rate_too_low", "high",
        f"The learning rate {facts.rate:g} is too low: the weights hardly move.",
        f"An epoch changes the kernel of {layer} by at most {percent(ratio * facts.steps, 2)} of "
        f"its norm ({ratio:.1e} per step, about 1e-3 is usual); the training loss went from "
        f"{losses[0]:.3f} to {losses[-1]:.3f} in {len(losses)} epochs",
        1, *overrides, range_test=True,
    )  # fmt: skip


def too_few_updates(facts: Facts) -> RunFinding | None:
    """Batches so large that the budget holds few steps."""
    batch, updates = facts.number("train.batch_size"), facts.steps * facts.epochs
    if not 0 < facts.steps <= limit("few_steps") or updates > limit("few_updates"):
        return None
    target = max(16, min(64, int(facts.sizes["train"] // 30)))
    losses = facts.column("loss")
    is_improving = len(losses) > 1 and losses[-1] < losses[0]
    is_fitted = facts.has_learned("fitted")
    if batch <= 2 * target or is_fitted or not (is_improving or len(losses) == 1):
        return None
    return facts.finding(
        "too_few_updates", "high",
        f"The run made {updates} updates: its batches of {batch:g} are too large for its budget.",
        f"{facts.steps} steps an epoch for {facts.epochs} epochs; the training loss was still "
        f"falling, from {losses[0]:.3f} to {losses[-1]:.3f}",
        None,
        f"train.batch_size={target}", f"train.epochs={facts.epochs * 10}",
    )  # fmt: skip


def unstable(facts: Facts) -> RunFinding | None:
    """Validation figures that jump from epoch to epoch at the end."""
    if not facts.is_validated or facts.epochs < 6:
        return None
    third = max(4, facts.epochs // 3)
    tail = facts.column("val_accuracy")[-third:]
    losses = facts.column("val_loss")
    jumps = [abs(b - a) for a, b in pairwise(tail)]
    jump = sum(jumps) / len(jumps)
    spikes = [
        epoch
        for epoch, (a, b, c) in enumerate(zip(losses, losses[1:], losses[2:], strict=False), 2)
        if b >= limit("spike") * max(a, c) and epoch > facts.epochs - third
    ]
    is_jumping = jump >= max(limit("oscillation"), facts.noise)
    training = facts.column("loss")[-(facts.epochs // 2) :]
    rises = sum(
        1 for a, b in pairwise(training) if b >= limit("spike") * a and b >= limit("small_loss")
    )
    half = facts.column("val_accuracy")[-(facts.epochs // 2) - 1 :]
    falls = sum(1 for a, b in pairwise(half) if a - b >= max(limit("fall"), 1.5 * facts.noise))
    is_disturbed = falls and (rises or spikes) and overfitting(facts) is None
    if not is_jumping and not is_disturbed:
        return None
    if facts.learned(facts.best_accuracy) < limit("learned"):
        return None
    lowest, highest = min(tail), max(tail)
    rate = f"optimizer.learning_rate={facts.rate / 3:.3g}"
    return facts.finding(
        "unstable", "medium",
        "The validation figures jump from epoch to epoch: which one the run ends on is luck.",
        f"In the last {third} epochs the validation accuracy is between {percent(lowest)} and "
        f"{percent(highest)} and changes by {percent(jump)} an epoch on average"
        + (f"; the loss has spikes in epochs {', '.join(map(str, spikes[:5]))}" if spikes else "")
        + (f"; it fell sharply {falls} times in the second half of the run" if falls else ""),
        facts.epochs - third + 1,
        "schedule=cosine", rate, "train.ema=0.99",
    )  # fmt: skip
