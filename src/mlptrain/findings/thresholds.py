"""Every threshold of the findings, in one table with its source.

"Healthy runs" are the half of those in `benchmarks/findings.py` that was looked at; the other half
was only scored.
"""

from __future__ import annotations

from mlptrain.finding import Threshold

_HEALTHY = "distribution over healthy runs"

THRESHOLDS = {
    "duplicate_share": Threshold(
        0.5, "share of units of a layer with the weights of another, before and after training",
        f"{_HEALTHY}: 0"),
    "dead_share": Threshold(
        0.5, "share of dead units of a layer", "SageMaker Debugger, DeadRelu: 50 % of a layer"),
    "nearly_dead": Threshold(
        0.9, "the same, of a net that learns all the same", _HEALTHY),
    "saturated_share": Threshold(
        0.5, "share of saturated activations of a layer, of activations bounded on both sides",
        f"SageMaker Debugger, SaturatedActivation: 50 %; {_HEALTHY}: below 0.2"),
    "initial_loss": Threshold(
        5, "loss of the untrained net, as a multiple of that of guessing",
        f"{_HEALTHY}: below 2"),
    "vanishing_norm": Threshold(
        1e-3, "gradient norm of the weakest hidden kernel of the untrained net, as a share of the "
        "strongest kernel's, or as such",
        f"AutoTrainer: ratio of first to last layer below 1e-3; {_HEALTHY}: above 0.02"),
    "vanishing_norm_stuck": Threshold(
        2e-2, "the same, of a net that is hardly better than guessing, or after an epoch of a net "
        "without batch normalization",
        "DeepDiagnosis, symptom vanishing gradient with unchanged accuracy"),
    "loss_jump": Threshold(
        3, "training loss of an epoch without penalty, as a multiple of the untrained net's",
        f"{_HEALTHY}: below 1.3"),
    "kernel_growth": Threshold(
        4, "norm of a kernel after the first epoch, as a multiple of the untrained one",
        f"{_HEALTHY}: below 2"),
    "lost": Threshold(
        0.05, "accuracy that a net had in some epoch and does not have at the end, while it is "
        "hardly better than guessing", _HEALTHY),
    "many_times": Threshold(
        5, "learning rate of a run whose units died or that has no layers.csv, as a multiple of "
        "the optimizer's default",
        "optimizers' defaults of Keras"),
    "small_update": Threshold(
        1e-4, "largest update ratio of a kernel in any epoch, per step",
        f"rule of thumb 1e-3 (Karpathy, 2015); {_HEALTHY}: above 2e-4"),
    "small_epoch_update": Threshold(
        0.02, "largest update ratio of a kernel in any epoch, times the steps of the epoch",
        f"{_HEALTHY}: above 0.05"),
    "learned": Threshold(
        0.1, "best accuracy as a share of the way from guessing to perfect",
        f"{_HEALTHY}: above 0.2"),
    "well_learned": Threshold(
        0.5, "training accuracy as a share of the way from guessing to perfect", _HEALTHY),
    "fitted": Threshold(
        0.9, "training accuracy as a share of the way from guessing to perfect", _HEALTHY),
    "fully_fitted": Threshold(
        0.98, "the same, where most of the training loss is penalty", _HEALTHY),
    "few_steps": Threshold(
        12, "steps of an epoch, with a batch that can be made smaller", "one decade below the "
        "29 steps of the smallest data set here"),
    "few_updates": Threshold(250, "steps of the whole run", _HEALTHY),
    "overfit_loss": Threshold(
        1.1, "validation loss of the saved weights, as a multiple of the lowest",
        "SageMaker Debugger, Overfit: ratio 0.1"),
    "overfit_gap": Threshold(
        0.1, "training accuracy minus validation accuracy", "SageMaker Debugger, Overfit"),
    "still_improving": Threshold(
        0.05, "fall of the loss over the last quarter of the epochs, as a share of it",
        f"{_HEALTHY}, stopped early or after 30 epochs: below 0.05"),
    "few_epochs": Threshold(
        5, "epochs up to which a falling schedule does not count as planned", _HEALTHY),
    "penalty_share": Threshold(
        0.5, "share of the training loss that is penalty", _HEALTHY),
    "shrunk": Threshold(
        0.25, "norm of a kernel at the end, as a share of the untrained one", _HEALTHY),
    "weight_decay": Threshold(
        0.1, "weight decay", "Loshchilov and Hutter, 2019: up to 0.1"),
    "max_norm": Threshold(
        0.5, "largest norm of a unit's weights", "Srivastava et al., 2014: 3 to 4"),
    "dropout": Threshold(0.6, "dropout", "Srivastava et al., 2014: 0.5 is best for hidden units"),
    "bottleneck": Threshold(
        0.5, "units of the narrowest layer, as a multiple of the classes", _HEALTHY),
    "oscillation": Threshold(
        0.05, "mean change of validation accuracy between the epochs of the last third",
        f"{_HEALTHY}: below 0.04"),
    "spike": Threshold(
        1.5, "validation loss of an epoch as a multiple of both its neighbors'", _HEALTHY),
    "fall": Threshold(
        0.04, "fall of validation accuracy from one epoch to the next, and 1.5 standard errors",
        _HEALTHY),
    "small_loss": Threshold(
        0.05, "training loss below which a rise means nothing", _HEALTHY),
    "calibration_error": Threshold(
        0.15, "gap between confidence and accuracy", "Guo et al., 2017: 0.04 to 0.17 of "
        "uncalibrated nets; " + _HEALTHY),
    "top_class_share": Threshold(
        0.9, "share of the class that is predicted most often",
        "SageMaker Debugger, ClassImbalance"),
    "imbalance": Threshold(
        1.5, "accuracy of guessing, as a multiple of that with equally many images of each class",
        "SageMaker Debugger, ClassImbalance"),
    "uneven": Threshold(
        5, "images of the largest class, as a multiple of those of the smallest",
        "SageMaker Debugger, ClassImbalance: 10"),
    "wasted_epochs": Threshold(
        0.5, "epochs after the last gain, as a share of all, and at least 10", _HEALTHY),
    "small_test": Threshold(
        250, "test images: their standard error is up to 3.2 points", "binomial standard error"),
    "tiny_test": Threshold(
        100, "test images: their standard error is up to 5 points", "binomial standard error"),
    "tiny_validation": Threshold(
        50, "validation images: their standard error is up to 7 points",
        "binomial standard error"),
    "small_validation": Threshold(
        100, "validation images: their standard error is up to 5 points",
        "binomial standard error"),
}  # fmt: skip


def limit(name: str) -> float:
    """Return the value of a threshold."""
    return THRESHOLDS[name].value
