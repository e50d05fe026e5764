"""Findings as pure functions of the facts about a run."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlptrain.finding import SEVERITIES
from mlptrain.findings import Facts, find
from mlptrain.findings.rules import CONSEQUENCES, ORDER
from mlptrain.findings.thresholds import THRESHOLDS

SETTINGS = {
    "activation": "relu", "initializer": "he_normal", "optimizer": "adam",
    "optimizer.learning_rate": 1e-3, "schedule": "constant", "train.epochs": 12,
    "train.batch_size": 64, "model": "pyramid", "model.batch_norm": False, "model.dropout": 0.0,
    "regularization.l1": 0.0, "regularization.l2": 0.0, "regularization.label_smoothing": 0.0,
    "regularization.clip_norm": None, "data": "cifar10_mini",
}  # fmt: skip
LAYERS = ("dense_1", "dense_2", "logits")
HEALTHY_LAYER = {
    "units": 64, "activation_mean": 0.5, "activation_sd": 0.8, "dead_share": 0.0,
    "saturated_share": 0.1, "gradient_norm": 1.0, "kernel_norm": 8.0, "kernel_size": 4096,
    "update_ratio": 2e-3, "effective_rank": 9.0, "duplicate_share": 0.0,
}  # fmt: skip
HEALTHY_NET = {
    "gradient_cosine": 0.3, "top_class_share": 0.15, "confidence": 0.5, "calibration_error": 0.05,
    "probe_loss": 1.5, "probe_accuracy": 0.5,
}  # fmt: skip


def history(losses, accuracies, val_losses=None, val_accuracies=None):
    return [
        {
            "epoch": number, "loss": loss, "accuracy": accuracy,
            "val_loss": (val_losses or losses)[number - 1],
            "val_accuracy": (val_accuracies or accuracies)[number - 1],
            "learning_rate": 1e-3, "seconds": 1.0,
        }
        for number, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True), 1)
    ]  # fmt: skip


def layers(epochs, at=lambda epoch, layer: {}, net=lambda epoch: {}):
    rows = []
    for epoch in range(epochs + 1):
        for layer in LAYERS:
            row = {**HEALTHY_LAYER, "epoch": epoch, "layer": layer}
            if epoch == 0:
                row["update_ratio"] = None
            if layer == "logits":
                row["dead_share"] = row["saturated_share"] = None
            rows.append({**row, **at(epoch, layer)})
        first = {"probe_loss": 2.5} if epoch == 0 else {}
        rows.append({**HEALTHY_NET, **first, "epoch": epoch, "layer": "network", **net(epoch)})
    return rows


def healthy(epochs=12, **changes):
    losses = [2.0 - min(n, 6) * 0.15 - n * 0.001 for n in range(epochs)]
    accuracies = [0.3 + min(n, 6) * 0.05 for n in range(epochs)]
    known = {
        "path": Path("/runs/one"),
        "settings": SETTINGS,
        "history": history(losses, accuracies),
        "layers": layers(epochs),
        "metrics": {"train_accuracy": 0.65, "val_accuracy": 0.6, "val_loss": losses[-1]},
        "sizes": {"train": 1800, "validation": 200, "test": 500},
        "guessing": {"validation": 0.1, "test": 0.1},
    }
    return Facts(**{**known, **changes})


def settings(**changes):
    return {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}


def stuck(epochs=12, accuracy=0.1, loss=2.3):
    return history([loss] * epochs, [accuracy] * epochs)


def test_a_healthy_run_has_no_finding():
    assert find(healthy()) == []


def first(facts):
    findings = find(facts)
    assert findings, "no finding"
    return findings[0]


def inside(column, value, epochs=range(100), layer="dense_1"):
    return lambda epoch, name: {column: value} if name == layer and epoch in epochs else {}


CASES = {
    "diverged": healthy(
        history=[], layers=layers(0), metrics={}, settings=settings(optimizer__learning_rate=1e3),
        reason="Training failed: NaN or infinity at epoch 1, step 3, learning rate 1000",
    ),
    "symmetric_units": healthy(history=stuck(), layers=layers(12, inside("duplicate_share", 1.0))),
    "dead_units": healthy(history=stuck(), layers=layers(12, inside("dead_share", 0.9))),
    "saturated_units": healthy(
        history=stuck(), settings=settings(activation="tanh"),
        layers=layers(12, inside("saturated_share", 0.9)),
    ),
    "exploding_gradients": healthy(
        history=stuck(loss=50.0),
        layers=layers(12, inside("gradient_norm", 4e5, (0,)), lambda epoch: {"probe_loss": 5e3}),
    ),
    "vanishing_gradients": healthy(
        history=stuck(), metrics={"train_accuracy": 0.1},
        layers=layers(12, inside("gradient_norm", 1e-8)),
    ),
    "rate_too_high": healthy(
        history=stuck(), metrics={"train_accuracy": 0.1},
        settings=settings(optimizer__learning_rate=0.1),
        layers=layers(12, inside("kernel_norm", 150.0, range(1, 13))),
    ),
    "rate_too_low": healthy(
        history=history([2.5 - n * 0.01 for n in range(12)], [0.11] * 12),
        metrics={"train_accuracy": 0.12}, settings=settings(optimizer__learning_rate=1e-6),
        layers=layers(12, lambda epoch, layer: {"update_ratio": 3e-6 if epoch else None}),
    ),
    "too_few_updates": healthy(
        history=history([2.3 - n * 0.02 for n in range(12)], [0.2 + n * 0.01 for n in range(12)]),
        metrics={"train_accuracy": 0.3}, settings=settings(train__batch_size=1000),
    ),
    "underfitting_regularization": healthy(
        history=stuck(accuracy=0.25, loss=3.0), metrics={"train_accuracy": 0.25},
        settings=settings(regularization__l2=0.1),
    ),
    "underfitting_capacity": healthy(
        history=stuck(accuracy=0.25, loss=2.0), metrics={"train_accuracy": 0.25},
        layers=layers(12, inside("units", 2)),
    ),
    "not_learning": healthy(history=stuck(), metrics={"train_accuracy": 0.1}),
    "collapsed_predictions": healthy(
        history=stuck(accuracy=0.8, loss=0.7), guessing={"validation": 0.8, "test": 0.8},
        layers=layers(12, net=lambda epoch: {"top_class_share": 1.0}),
        metrics={"train_accuracy": 0.82, "val_accuracy": 0.8, "test_accuracy": 0.8},
    ),
    "unstable": healthy(
        history=history([2.0 - n * 0.1 for n in range(12)], [0.3 + n * 0.03 for n in range(12)],
                        None, [0.3, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.3, 0.6, 0.3, 0.6]),
    ),
    "overfitting": healthy(
        history=history([2 / (n + 1) for n in range(12)], [0.3 + n * 0.05 for n in range(12)],
                        [2.0, 1.8, 1.7, 1.8, 1.9, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6],
                        [0.3, 0.4, 0.45] + [0.45] * 9),
        metrics={"train_accuracy": 0.9, "val_accuracy": 0.45, "val_loss": 2.6},
    ),
    "stopped_too_early": healthy(
        history=history([2.3 - n * 0.12 for n in range(12)], [0.2 + n * 0.04 for n in range(12)]),
        metrics={"train_accuracy": 0.65},
    ),
    "miscalibrated": healthy(
        layers=layers(12, net=lambda epoch: {"calibration_error": 0.4, "confidence": 0.9})
    ),
    "classes_ignored": healthy(
        class_names=["cat", "dog", "ship"], confusion=[[50, 0, 0], [20, 0, 30], [0, 0, 50]],
        settings=settings(), guessing={"validation": 0.33, "test": 0.33},
        metrics={"train_accuracy": 0.65, "test_accuracy": 0.66},
    ),
    "small_evaluation": healthy(
        sizes={"train": 1800, "validation": 200, "test": 40}, settings=settings(data__limit=40)
    ),
    "trained_too_long": healthy(
        epochs=40, settings=settings(train__epochs=40),
        metrics={"train_accuracy": 0.65, "val_accuracy": 0.6},
    ),
    "choice_within_noise": healthy(sizes={"train": 1800, "validation": 30, "test": 500}),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDER)
def test_the_fault_is_the_first_finding_with_evidence_and_commands(name):
    finding = first(CASES[name])
    assert finding.name == name
    assert finding.severity in SEVERITIES
    assert finding.summary.endswith(".")
    assert any(character.isdigit() for character in finding.evidence)
    assert 1 <= len(finding.commands) <= 3
    for command in finding.commands:
        assert command.startswith("mlptrain --like /runs/one ") or (
            command == "mlptrain rate --like /runs/one" and "rate" in finding.evidence + name
        )
    assert list(finding.record()) == [
        "name", "severity", "summary", "evidence", "since_epoch", "try",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ORDER)
def test_the_commands_are_accepted_for_the_runs_config(name):
    from mlptrain.config.compose import compose

    config = compose(["data=cifar10_mini", "model.batch_norm=false"]).config.model_dump()
    for command in first(CASES[name]).commands:
        if command == "mlptrain rate --like /runs/one":
            continue  # the config as it is
        overrides = command.removeprefix("mlptrain --like /runs/one ").split()
        if any(override.startswith("data.test_fraction") for override in overrides):
            continue  # of own images
        compose(overrides, base=config)


def test_an_optimizer_that_averages_by_itself_is_not_offered_a_schedule():
    facts = CASES["unstable"]
    facts = replace(facts, settings={**facts.settings, "optimizer": "schedule_free_adamw"})
    settings = [command.rpartition(" ")[2] for command in find(facts)[0].commands]
    assert settings == ["optimizer.learning_rate=0.000333"]


def test_nothing_is_reported_twice_under_the_name_of_its_consequence():
    for name in ("rate_too_high", "rate_too_low", "vanishing_gradients", "symmetric_units"):
        assert [finding.name for finding in find(CASES[name])] == [name]


def test_units_that_die_because_of_the_rate_are_evidence_of_the_rate():
    def at(epoch, layer):
        if epoch and layer == "dense_2":
            return {"dead_share": 1.0, "kernel_norm": 150.0}
        return {}

    (finding,) = find(replace(CASES["rate_too_high"], layers=layers(12, at)))
    assert finding.name == "rate_too_high"
    assert "100 % of the units of dense_2 are dead" in finding.evidence
    assert "optimizer.learning_rate=0.001" in finding.commands[0]


def test_a_net_that_loses_what_it_had_learned_has_too_high_a_rate_with_or_without_layers():
    accuracies = [0.25, 0.2] + [0.1] * 10
    facts = healthy(history=history([2.2] * 12, accuracies), metrics={"train_accuracy": 0.1})
    for case in (facts, replace(facts, layers=())):
        (finding,) = find(case)
        assert (finding.name, finding.since_epoch) == ("rate_too_high", 2)
        assert "25.0 % in epoch 1" in finding.evidence


def test_an_infinite_loss_of_a_net_that_begins_exploded_is_the_start_that_is_wrong():
    facts = replace(CASES["exploding_gradients"], reason=CASES["diverged"].reason, history=[])
    assert [finding.name for finding in find(facts)] == ["exploding_gradients"]


def test_a_first_epoch_that_is_better_on_validation_is_no_sign_of_regularization():
    """The running accuracy of an epoch is a mean over nets that were trained less."""
    rows = history([1.9], [0.3], [1.6], [0.45])
    facts = healthy(history=rows, layers=layers(1), settings=settings(train__epochs=1),
                    metrics={"train_accuracy": 0.46})  # fmt: skip
    assert [finding.name for finding in find(facts)] == ["stopped_too_early"]
    strong = history([2.0] * 12, [0.3] * 12, [1.6] * 12, [0.45] * 12)
    facts = healthy(history=strong, metrics={"train_accuracy": 0.46})
    assert find(facts)[0].name == "underfitting_regularization"


def test_a_net_that_is_right_on_validation_has_learned_whatever_its_running_accuracy():
    def at(epoch, layer):
        return {"dead_share": 0.8, "update_ratio": 1e-2} if epoch and layer == "dense_2" else {}

    for accuracy, name in ((0.3, "dead_units"), (0.1, "rate_too_high")):
        facts = healthy(history=history([2.2], [0.15], [2.0], [accuracy]), layers=layers(1, at),
                        metrics={}, settings=settings(train__epochs=1))  # fmt: skip
        assert find(facts)[0].name == name


def test_a_rate_far_above_the_default_that_kills_units_is_too_high_though_something_is_learned():
    def at(epoch, layer):
        return {"dead_share": 0.64} if epoch and layer == "dense_2" else {}

    facts = healthy(history=history([2.0], [0.25], [1.9], [0.34]), layers=layers(1, at),
                    metrics={}, settings=settings(train__epochs=1))  # fmt: skip
    assert "rate_too_high" not in {finding.name for finding in find(facts)}
    facts = replace(facts, settings={**facts.settings, "optimizer.learning_rate": 1e-2})
    assert [finding.name for finding in find(facts)] == ["rate_too_high"]


def test_gradients_that_vanish_at_first_have_cost_epochs_though_the_net_recovers():
    vanishing = layers(12, inside("gradient_norm", 1e-6, (0, 1)))
    slow = history([2.3] * 8 + [2.2, 2.1, 2.1, 2.1], [0.1] * 8 + [0.15, 0.2, 0.2, 0.2])
    facts = healthy(history=slow, layers=vanishing, metrics={"train_accuracy": 0.2})
    assert find(facts)[0].name == "vanishing_gradients"
    # A norm between the layers lets the gradient through from the first epoch on.
    facts = replace(facts, layers=layers(12, inside("gradient_norm", 1e-6, (0,))))
    assert "vanishing_gradients" not in {finding.name for finding in find(facts)}


def test_a_high_loss_with_much_dropout_is_no_sign_of_the_rate():
    rows = history(
        [11.0 - n * 0.7 for n in range(12)], [0.12] * 12, [2.2] * 12, [0.2] + [0.11] * 11
    )
    facts = healthy(history=rows, metrics={"train_accuracy": 0.13})
    assert find(facts)[0].name == "rate_too_high"
    facts = replace(facts, settings=settings(model__dropout=0.8))
    assert find(facts)[0].name == "underfitting_regularization"


def test_epochs_that_early_stopping_waited_are_not_too_many():
    facts = CASES["trained_too_long"]
    patient = {**facts.settings, "callbacks.early_stopping.enabled": True}
    assert find(replace(facts, settings=patient)) == []


def test_a_kernel_that_starts_near_zero_may_grow():
    def at(epoch, layer):
        return {"kernel_norm": 0.9 if epoch == 0 else 7.0}

    assert find(healthy(layers=layers(12, at))) == []


def test_a_start_that_explodes_and_leaves_a_net_that_learns_nothing_is_reported():
    facts = replace(CASES["exploding_gradients"], history=stuck(), metrics={})
    assert find(facts)[0].name == "exploding_gradients"
    # With a norm within the net, the loss is soon that of others.
    facts = replace(facts, history=healthy().history, metrics=healthy().metrics)
    assert "exploding_gradients" not in {finding.name for finding in find(facts)}


def test_one_class_because_of_the_images_is_no_fault_of_a_narrow_layer():
    facts = CASES["collapsed_predictions"]
    narrow = [{**row, "units": 4 if row["layer"] == "dense_1" else 64} for row in facts.layers]
    assert [finding.name for finding in find(replace(facts, layers=narrow))] == [
        "collapsed_predictions"
    ]


def test_the_high_ones_come_first():
    findings = find(
        replace(CASES["rate_too_high"], sizes={"train": 1800, "validation": 0, "test": 9})
    )
    assert [finding.name for finding in findings] == ["rate_too_high", "small_evaluation"]


@pytest.mark.parametrize(
    "facts",
    [
        healthy(layers=()),
        healthy(layers=(), history=(), metrics={}),
        healthy(settings={}),
        healthy(settings={}, layers=(), history=(), metrics={}, sizes={}, guessing={}),
        healthy(layers=[{**row, **dict.fromkeys(HEALTHY_LAYER)} for row in layers(12)]),
        healthy(layers=[{**row, **dict.fromkeys(HEALTHY_NET)} for row in layers(12)]),
        healthy(layers=layers(12, lambda epoch, layer: dict.fromkeys(HEALTHY_LAYER, 0.0))),
        healthy(layers=layers(12, lambda epoch, layer: dict.fromkeys(HEALTHY_LAYER, 1e29))),
        healthy(layers=layers(12, lambda epoch, layer: dict.fromkeys(HEALTHY_LAYER, -1.0))),
        healthy(history=[dict.fromkeys(row) for row in history([1.0] * 3, [0.5] * 3)]),
        healthy(history=history([-1e29] * 12, [1e29] * 12)),
        healthy(history=history([0.0] * 12, [0.0] * 12)),
        healthy(sizes={"train": 0, "validation": 0, "test": 0}, guessing={"validation": 1.0}),
        healthy(settings=dict.fromkeys(SETTINGS, "text")),
        healthy(settings={key: [] for key in SETTINGS}),
        healthy(settings=dict.fromkeys(SETTINGS, 0)),
        healthy(settings=dict.fromkeys(SETTINGS, -1e300)),
        healthy(confusion=[[0, 0], [0, 0]], class_names=["a", "b"]),
        healthy(epochs=1),
        healthy(epochs=2),
    ],
)
def test_whatever_an_untrusted_folder_says_there_is_an_answer(facts):
    for finding in find(facts):
        assert finding.name in ORDER


def test_every_consequence_and_every_threshold_has_a_name_that_exists():
    for name, others in CONSEQUENCES.items():
        assert {name, *others} <= set(ORDER)
    assert all(threshold.meaning and threshold.source for threshold in THRESHOLDS.values())
