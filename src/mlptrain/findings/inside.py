"""What is wrong inside the net before its first step, or by its end."""

from __future__ import annotations

from mlptrain.findings.facts import Facts, RunFinding
from mlptrain.findings.thresholds import limit
from mlptrain.formatting import percent

BOUNDED = {"tanh", "sigmoid", "softsign", "hard_sigmoid"}
"""Activations that saturate on both sides; the others have a small derivative when they are off."""

_INITIALIZERS = {
    **dict.fromkeys(("tanh", "sigmoid", "softsign", "hard_sigmoid", "linear"), "glorot_uniform"),
    "selu": "lecun_normal",
}


def symmetric_units(facts: Facts) -> RunFinding | None:
    """Units that began with equal weights and stayed equal."""
    share, layer = facts.worst(0, "duplicate_share")
    at_end = {
        row["layer"]: row.get("duplicate_share") for row in facts.hidden_at(facts.last_measured)
    }
    if share < limit("duplicate_share") or (at_end.get(layer) or 0) < limit("duplicate_share"):
        return None
    return facts.finding(
        "symmetric_units", "high",
        "The units of a layer start with equal weights and therefore learn the same thing.",
        f"{percent(share, 0)} of the units of {layer} have the weights of another unit before the "
        f"first step, and {percent(at_end[layer], 0)} after epoch {facts.last_measured} "
        f"(initializer={facts.settings.get('initializer')})",
        0, _initializer(facts),
    )  # fmt: skip


def dead_units(facts: Facts) -> RunFinding | None:
    """Units whose activation has zero derivative on every image of the probe."""
    if facts.choice("activation") in BOUNDED:
        return None
    last = facts.last_measured
    at_start, layer = facts.worst(0, "dead_share")
    share, layer_at_end = facts.worst(last, "dead_share")
    if share < limit("dead_share"):
        return None
    begins_dead = at_start >= limit("dead_share")
    layer = layer if begins_dead else layer_at_end
    is_lost = not facts.has_learned("well_learned")
    is_stuck = not facts.has_learned("learned")
    if not begins_dead and not is_stuck and share < limit("nearly_dead"):
        return None  # the others do the work
    since = 0 if begins_dead else _first(facts, "dead_share", layer)
    commands = [_initializer(facts)] if begins_dead else []
    return facts.finding(
        "dead_units", "high" if is_stuck or (begins_dead and is_lost) else "low",
        "Many units are dead: on every image their activation is flat, so they get no gradient.",
        f"{percent(at_start, 0)} of the units of {layer} are dead before the first step, "
        f"{percent(share, 0)} after "
        f"epoch {last}" if begins_dead else
        f"{percent(share, 0)} of the units of {layer} are dead after epoch {last}, "
        f"{percent(at_start, 0)} before the first step",
        since,
        *commands, "activation=leaky_relu", "activation=gelu",
    )  # fmt: skip


def saturated_units(facts: Facts) -> RunFinding | None:
    """Activations at their bounds, where they pass hardly any gradient."""
    if facts.choice("activation") not in BOUNDED or not facts.measured_epochs:
        return None
    last = facts.last_measured
    at_start, layer_at_start = facts.worst(0, "saturated_share")
    share, layer = facts.worst(last, "saturated_share")
    if share < limit("saturated_share"):
        return None
    begins_saturated = at_start >= limit("saturated_share")
    is_lost = not facts.has_learned("well_learned")
    is_stuck = not facts.has_learned("learned")
    if not begins_saturated and not is_lost:
        return None
    lower = f"optimizer.learning_rate={facts.rate / 10:.3g}"
    commands = [_initializer(facts) if begins_saturated else lower]
    if facts.settings.get("model.batch_norm") is False:
        commands.append("model.batch_norm=true")
    return facts.finding(
        "saturated_units", "high" if begins_saturated or is_stuck else "low",
        "The activations of a layer are saturated: they sit at their bounds, where little gradient "
        "passes.",
        f"{percent(at_start, 0)} of the activations of {layer_at_start} are saturated before the "
        f"first step; {percent(share, 0)} of {layer} after epoch {last}",
        0 if begins_saturated else _first(facts, "saturated_share", layer),
        *[*commands, "activation=relu initializer=he_normal"][:3],
    )  # fmt: skip


def exploding_gradients(facts: Facts) -> RunFinding | None:
    """Activations and gradients that grow from layer to layer in the untrained net."""
    loss = facts.network(0).get("probe_loss")
    rows = facts.hidden_at(0)
    if not rows:
        return None
    norms = [row.get("gradient_norm") for row in facts.at(0)]
    is_infinite = any(norm is None for norm in norms)
    if not is_infinite and (loss is None or loss < limit("initial_loss") * facts.loss_of_guessing):
        return None
    losses = facts.column("loss")
    is_caught = losses and losses[-1] < 2 * facts.loss_of_guessing and facts.reason is None
    if is_caught and not facts.is_at_chance:
        return None  # by a norm within the net
    sd = [row["activation_sd"] for row in rows if row.get("activation_sd") is not None]
    strongest = max((norm for norm in norms if norm is not None), default=float("inf"))
    return facts.finding(
        "exploding_gradients", "high",
        "Activations and gradients explode in the untrained net: its weights are too large.",
        f"Before the first step the loss is {loss or float('inf'):.3g} "
        f"({facts.loss_of_guessing:.3g} is guessing), the largest gradient norm of a kernel "
        f"{strongest:.3g}, and the SD of the activations up to {max(sd, default=0):.3g}",
        0, *_better_start(facts),
    )  # fmt: skip


def vanishing_gradients(facts: Facts) -> RunFinding | None:
    """Gradients that die out before they reach a layer."""
    if not facts.measured_epochs:
        return None
    if facts.learned(facts.best_accuracy) >= limit("well_learned"):
        return None
    is_stuck = not facts.has_learned("learned")
    share = limit("vanishing_norm_stuck" if is_stuck else "vanishing_norm")
    weakest, strongest, layer = _gradient_norms(facts, 0)
    # With a norm between the layers, the net looks so only before it is trained.
    has_norm = facts.settings.get("model.batch_norm") is not False
    trained = facts.last_measured if has_norm else min(1, facts.last_measured)
    later, strongest_later, _ = _gradient_norms(facts, trained)
    share_later = share if has_norm else limit("vanishing_norm_stuck")
    if weakest >= share * max(strongest, 1) or later >= share_later * max(strongest_later, 1):
        return None
    return facts.finding(
        "vanishing_gradients", "high",
        "The gradient vanishes on its way back: the first layers do not learn.",
        f"Before the first step the gradient norm of {layer}'s kernel is {weakest:.2g}, the "
        f"largest of any kernel {strongest:.2g}; the best accuracy in {facts.epochs} epochs is "
        f"{percent(facts.best_accuracy)}",
        0, *_better_start(facts),
    )  # fmt: skip


def _gradient_norms(facts: Facts, epoch: int) -> tuple[float, float, str]:
    """Return the smallest gradient norm of a hidden kernel, the largest of any, and the layer."""
    norms = [
        (row["gradient_norm"], row["layer"])
        for row in facts.hidden_at(epoch)
        if row.get("gradient_norm") is not None
    ]
    strongest = max((row.get("gradient_norm") or 0.0 for row in facts.at(epoch)), default=0.0)
    weakest, layer = min(norms, default=(1.0, ""))
    return weakest, strongest, layer


def _initializer(facts: Facts) -> str:
    """Return the initializer that fits the run's activation, as an override."""
    fitting = _INITIALIZERS.get(facts.choice("activation"), "he_normal")
    if facts.choice("initializer") == fitting:
        fitting = "orthogonal"
    return f"initializer={fitting}"


def _better_start(facts: Facts) -> list[str]:
    """Return overrides that keep activations and gradients alike in all layers, best first."""
    norm = facts.settings.get("model.batch_norm") is False
    fitting = _INITIALIZERS.get(facts.choice("activation"), "he_normal")
    has_fitting = facts.choice("initializer") == fitting
    normalized = ["model.batch_norm=true"] if norm else []
    overrides = []
    if not has_fitting:
        overrides.append(" ".join([f"initializer={fitting}", *normalized]))
    elif norm:
        overrides.append("model.batch_norm=true")
    if facts.choice("activation") in BOUNDED:
        overrides.append(" ".join(["activation=relu initializer=he_normal", *normalized]))
    overrides.append("model=residual activation=gelu initializer=lecun_normal")
    return overrides[:3]


def _first(facts: Facts, column: str, layer: str) -> int | None:
    """Return the epoch from which on a layer's share was too large until the end."""
    since = None
    for epoch in facts.measured_epochs:
        row = next((row for row in facts.hidden_at(epoch) if row["layer"] == layer), {})
        is_large = (row.get(column) or 0) >= limit(column)
        since = (epoch if since is None else since) if is_large else None
    return since
