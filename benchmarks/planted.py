"""Runs whose fault is known by construction, and healthy ones, for `benchmarks/findings.py`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mlptrain.store.runs import Run

HEALTHY = "healthy"
SEEDS = (1, 2)
MINI = "data=cifar10_mini"
DIGITS = "data=npz data.path=digits.npz data.image_size=8"
FULL = "data=cifar10"
QUIET = "artifacts=minimal logger=none runtime.progress=none"

_BARE = "regularization=none augmentation=none callbacks=none"
_NET = "model=mlp model.hidden=[64,32] model.batch_norm=false model.dropout=0"
_DEEP = "model=deep model.hidden=[64,64,64,64,64,64,64,64] model.batch_norm=false model.dropout=0"
_RESIDUAL = "model=residual model.width=64 model.blocks=2"
_SHALLOW = "model=shallow model.hidden=[128] model.batch_norm=false model.dropout=0"
_WIDE = "model=wide model.hidden=[256,128] model.dropout=0"
_ADAM, _RMSPROP, _SGD = "optimizer=adam", "optimizer=rmsprop", "optimizer=sgd"


@dataclass(frozen=True)
class Case:
    """One run.

    Attributes:
        fault: the name of the finding that was planted, or `HEALTHY`.
        words: overrides of the config.
    """

    fault: str
    words: str

    @property
    def key(self) -> str:
        """Of the run: a hash of its config, without the seed."""
        recipe = " ".join(word for word in self.words.split() if not word.startswith("seed="))
        return hashlib.sha256(recipe.encode()).hexdigest()

    def expected(self, run: Run) -> set[str]:
        """Return the names that are right for the run of this case.

        A rate that is too high may end in NaN, which is `diverged`.
        """
        has_nan = "NaN" in (run.facts.reason or "")
        return {"diverged"} if self.fault == "rate_too_high" and has_nan else {self.fault}

    @property
    def is_set_aside(self) -> bool:
        """Whether the case was not looked at when the thresholds were chosen: by its hash."""
        return int(self.key[0], 16) % 2 == 1


def _rates(fault: str, nets: list[str], rates: list[str], rest: str) -> list[tuple[str, str]]:
    return [(fault, f"{net} {rate} {rest}") for net in nets for rate in rates]


def _faults() -> list[tuple[str, str]]:
    ten, plain = "train.epochs=10", _BARE
    rows: list[tuple[str, str]] = []
    rows += _rates(
        "diverged",
        [f"{MINI} {_NET}", f"{DIGITS} {_SHALLOW} activation=elu"],
        [f"{_SGD} optimizer.learning_rate=1000"],
        f"{ten} {plain}",
    )
    rows += _rates(
        "rate_too_high",
        [
            f"{MINI} {_NET}", f"{MINI} {_NET} activation=gelu", f"{DIGITS} {_DEEP}",
            f"{MINI} {_RESIDUAL}", f"{MINI} {_NET} activation=tanh",
        ],
        [
            f"{_ADAM} optimizer.learning_rate=0.1", f"{_RMSPROP} optimizer.learning_rate=0.05",
            f"{_SGD} optimizer.learning_rate=1",
        ],
        f"{ten} {plain}",
    )  # fmt: skip
    rows += _rates(
        "rate_too_low",
        [
            f"{MINI} {_NET}", f"{MINI} {_NET} activation=silu", f"{DIGITS} {_SHALLOW}",
            f"{MINI} {_RESIDUAL}",
        ],
        [
            f"{_ADAM} optimizer.learning_rate=1e-6", f"{_RMSPROP} optimizer.learning_rate=1e-6",
            f"{_SGD} optimizer.learning_rate=1e-6",
        ],
        f"train.epochs=15 {plain}",
    )  # fmt: skip
    negative = "initializer=random_uniform initializer.minval=-0.1 initializer.maxval=-0.001"
    rows += _rates(
        "dead_units",
        [f"{MINI} {_NET}", f"{MINI} {_NET} activation=relu6", f"{DIGITS} {_SHALLOW}"],
        [_ADAM, _SGD],
        f"{negative} data.scaling=zero_one {ten} {plain}",
    )
    rows += _rates(
        "saturated_units",
        [
            f"{MINI} {_NET} activation=tanh", f"{MINI} {_NET} activation=sigmoid",
            f"{DIGITS} {_SHALLOW} activation=tanh", f"{MINI} {_NET} activation=hard_sigmoid",
        ],
        [_ADAM, _SGD],
        f"initializer=random_normal initializer.stddev=1 {ten} {plain}",
    )  # fmt: skip
    rows += _rates(
        "vanishing_gradients",
        [
            f"{MINI} {_DEEP} activation=sigmoid", f"{DIGITS} {_DEEP} activation=sigmoid",
            f"{MINI} {_DEEP} activation=tanh", f"{MINI} {_DEEP} activation=relu",
        ],
        [_ADAM, _SGD],
        f"initializer=random_normal initializer.stddev=0.01 {ten} {plain}",
    )  # fmt: skip
    rows += _rates(
        "exploding_gradients",
        [f"{MINI} {_DEEP}", f"{DIGITS} {_DEEP} activation=elu", f"{MINI} {_NET}"],
        [_ADAM, _SGD],
        f"initializer=random_normal initializer.stddev=1 {ten} {plain}",
    )
    constant = "initializer=random_uniform initializer.minval=0.02 initializer.maxval=0.02000001"
    rows += _rates(
        "symmetric_units",
        [f"{MINI} {_NET}", f"{DIGITS} {_NET} activation=tanh", f"{MINI} {_DEEP}"],
        [f"{_ADAM} initializer=zeros", f"{_SGD} {constant}"],
        f"{ten} {plain}",
    )
    rows += _rates(
        "overfitting",
        [f"{MINI} {_WIDE}", f"{MINI} {_NET} activation=gelu", f"{MINI} {_RESIDUAL}"],
        [_ADAM, _RMSPROP],
        f"train.epochs=30 {plain}",
    )
    rows += _rates(
        "stopped_too_early",
        [f"{DIGITS} {_NET}", f"{DIGITS} {_SHALLOW} activation=tanh"],
        [f"{_ADAM} optimizer.learning_rate=3e-4", f"{_SGD} optimizer.learning_rate=3e-3"],
        f"train.epochs=4 {plain}",
    )
    rows += _rates(
        "trained_too_long",
        [f"{DIGITS} {_NET}", f"{DIGITS} {_SHALLOW}"],
        [_ADAM, _SGD],
        f"train.epochs=80 {plain}",
    )
    rows += _rates(
        "underfitting_capacity",
        [
            f"{MINI} model=baseline model.hidden=[1]",
            f"{DIGITS} model=baseline model.hidden=[2] activation=tanh",
            f"{MINI} model=baseline model.hidden=[2] activation=gelu",
        ],
        [_ADAM, _RMSPROP],
        f"train.epochs=60 {plain}",
    )
    rows += _rates(
        "underfitting_regularization",
        [
            f"{DIGITS} {_NET} regularization.l2=0.1",
            f"{MINI} {_NET} regularization.l2=0.1 activation=gelu",
            f"{DIGITS} {_NET} model.dropout=0.85",
            f"{MINI} {_WIDE} model.dropout=0.9",
            f"{DIGITS} {_NET} regularization.l1=0.01",
        ],
        [_ADAM, _SGD],
        f"train.epochs=30 {plain}",
    )
    rows += _rates(
        "too_few_updates",
        [f"{MINI} {_NET}", f"{DIGITS} {_NET} activation=tanh", f"{MINI} {_WIDE}"],
        [_ADAM, _SGD],
        f"train.epochs=6 train.batch_size=1000 {plain}",
    )
    rows += _rates(
        "miscalibrated",
        [f"{DIGITS} {_NET}", f"{DIGITS} {_SHALLOW} activation=gelu"],
        [f"{_ADAM} regularization.label_smoothing=0.6"],
        f"train.epochs=20 {plain} callbacks=default",
    )
    rows += _rates(
        "unstable",
        [f"{DIGITS} {_SHALLOW} activation=gelu", f"{DIGITS} {_NET}"],
        [f"{_RMSPROP} optimizer.learning_rate=0.02"],
        f"train.epochs=20 {plain}",
    )
    rows += _rates(
        "collapsed_predictions",
        ["data=npz data.path=imbalanced.npz", "data=npz data.path=two_classes.npz"],
        [f"{_ADAM} {_SHALLOW} model.hidden=[4]", f"{_SGD} {_SHALLOW}"],
        f"train.epochs=15 {plain}",
    )
    rows += _rates(
        "small_evaluation",
        [f"{DIGITS} {_NET} data.validation_fraction=0", f"{DIGITS} {_NET} data.test_fraction=0.02"],
        [f"{_ADAM} callbacks=none"],
        f"train.epochs=12 {plain}",
    )
    return [*rows, *_faults_on_cifar10()]


def _faults_on_cifar10() -> list[tuple[str, str]]:
    """Return faults of the study's net without regularization, on all images of CIFAR-10."""
    net = f"{FULL} model=mlp model.batch_norm=false model.dropout=0 {_BARE}"
    wide_normal = "initializer=random_normal initializer.stddev=1"
    negative = "initializer=random_uniform initializer.minval=-0.1 initializer.maxval=-0.001"
    three = f"train.epochs=3 {_ADAM}"
    return [
        ("rate_too_high", f"{net} train.epochs=3 {_ADAM} optimizer.learning_rate=0.01"),
        ("rate_too_high", f"{net} train.epochs=3 {_RMSPROP} optimizer.learning_rate=0.02"),
        ("rate_too_high", f"{net} train.epochs=3 {_SGD} optimizer.learning_rate=1"),
        ("rate_too_low", f"{net} {three} optimizer.learning_rate=1e-7"),
        ("rate_too_low", f"{net} train.epochs=3 {_SGD} optimizer.learning_rate=1e-7"),
        ("dead_units", f"{net} {three} {negative} data.scaling=zero_one"),
        ("saturated_units", f"{net} {three} {wide_normal} activation=tanh"),
        ("vanishing_gradients", f"{net} {three} initializer=random_normal "
         "initializer.stddev=0.01 activation=sigmoid model=deep"),
        ("exploding_gradients", f"{net} {three} {wide_normal} model=deep"),
        ("symmetric_units", f"{net} {three} initializer=zeros"),
        ("underfitting_capacity", f"{net} {_ADAM} train.epochs=8 model=baseline model.hidden=[2]"),
        ("underfitting_regularization", f"{net} {_ADAM} train.epochs=8 regularization.l2=0.1"),
        ("underfitting_regularization", f"{net} {_ADAM} train.epochs=8 model.dropout=0.9"),
        ("too_few_updates", f"{net} {three} train.batch_size=8192"),
        ("stopped_too_early", f"{net} train.epochs=2 {_SGD} optimizer.learning_rate=1e-3"),
        ("overfitting", f"{net} {_ADAM} train.epochs=20"),
    ]  # fmt: skip


def _healthy() -> list[str]:
    activations = [
        "relu", "tanh", "gelu", "sigmoid", "silu", "mish", "elu", "selu", "leaky_relu", "relu6",
        "softplus", "softsign", "hard_sigmoid", "hard_silu", "linear",
    ]  # fmt: skip
    rest = "callbacks=default"
    batch_norm = "model.batch_norm=true"
    optimizers = [_ADAM, _RMSPROP, _SGD]
    rows: list[str] = []
    for place, activation in enumerate(activations):
        optimizer = optimizers[place % 3]
        rows.append(f"{MINI} {_NET} {batch_norm} activation={activation} {optimizer} {rest}")
        other = optimizers[(place + 1) % 3]
        rows.append(f"{DIGITS} {_NET} activation={activation} {other} {rest}")
    for optimizer in optimizers:
        rows += [
            f"{DIGITS} {_DEEP} {batch_norm} {optimizer} {rest}",
            f"{MINI} {_RESIDUAL} activation=gelu {optimizer} {rest}",
            f"{DIGITS} {_RESIDUAL} {optimizer} {rest}",
            f"{MINI} {_WIDE} model.dropout=0.3 {optimizer} {rest}",
            f"{DIGITS} {_SHALLOW} {optimizer} {rest} schedule=cosine",
        ]
    full = [f"{FULL} {optimizer} {rest} train.epochs=10" for optimizer in optimizers]
    full += [f"{FULL} activation={name} {rest} train.epochs=10" for name in ("tanh", "gelu")]
    full += [f"{FULL} {_RESIDUAL} activation=gelu {_ADAM} {rest} train.epochs=10"]
    return [*(f"{row} train.epochs=30" for row in rows), *full]


def cases() -> list[Case]:
    """Return all cases, each with both seeds."""
    rows = [*_faults(), *((HEALTHY, words) for words in _healthy())]
    return [Case(fault, f"{words} seed={seed}") for fault, words in rows for seed in SEEDS]
