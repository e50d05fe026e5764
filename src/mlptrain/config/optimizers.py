"""The optimizers that `optimizer=` may name; parameters carry Keras's own argument names."""

from __future__ import annotations

from mlptrain.config.choices import Choice, Fraction, NonNegative, Positive

_RATE = {"learning_rate": Positive}
_BETAS = {"beta_1": Fraction, "beta_2": Fraction, "epsilon": Positive}
_DECAY = {"weight_decay": NonNegative, "decay_kernels_only": bool}

OPTIMIZERS: dict[str, Choice] = {
    "rmsprop": Choice(
        "gradient over its running RMS; the study's winner",
        "RMSprop",
        {**_RATE, "rho": Fraction, "momentum": Fraction, "epsilon": Positive, "centered": bool},
    ),
    "adam": Choice(
        "running mean over running RMS (Kingma and Ba, 2015)",
        "Adam",
        {**_RATE, **_BETAS, "amsgrad": bool},
    ),
    "adamw": Choice(
        "Adam with decoupled weight decay (Loshchilov and Hutter, 2019)",
        "AdamW",
        {**_RATE, **_BETAS, **_DECAY, "amsgrad": bool},
    ),
    "sgd": Choice(
        "stochastic gradient descent with momentum, Nesterov's too",
        "SGD",
        {**_RATE, "momentum": Fraction, "nesterov": bool},
    ),
    "nadam": Choice("Adam with Nesterov momentum (Dozat, 2016)", "Nadam", {**_RATE, **_BETAS}),
    "adamax": Choice("Adam with the infinity norm", "Adamax", {**_RATE, **_BETAS}),
    "adagrad": Choice(
        "gradient over the root of all its squares (Duchi et al., 2011)",
        "Adagrad",
        {**_RATE, "initial_accumulator_value": NonNegative, "epsilon": Positive},
    ),
    "adadelta": Choice(
        "Adagrad with a window and a step size of its own (Zeiler, 2012)",
        "Adadelta",
        {**_RATE, "rho": Fraction, "epsilon": Positive},
    ),
    "lion": Choice(
        "sign of an interpolated momentum (Chen et al., 2023)",
        "Lion",
        {**_RATE, "beta_1": Fraction, "beta_2": Fraction, **_DECAY},
    ),
    "lamb": Choice(
        "Adam with a trust ratio per layer, for large batches (You et al., 2020)",
        "Lamb",
        {**_RATE, **_BETAS},
    ),
}
