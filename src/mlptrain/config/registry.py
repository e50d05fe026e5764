"""Registries: group → name → what it stands for in Keras, and which parameters it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, create_model

from mlptrain.ranges import (
    STRICT,
    Fraction,
    NonNegative,
    Positive,
    PositiveFraction,
    PositiveInt,
    Share,
    UnitInterval,
)


@dataclass(frozen=True)
class Choice:
    """One entry of a registry: what `name:` in a group's file may say.

    Attributes:
        description: one line for `mlptrain options`.
        keras: the class or function name in the matching Keras module; None where mlptrain
            computes it itself.
        parameters: key → type with its range; the keys are Keras's own argument names.
    """

    description: str
    keras: str | None = None
    parameters: Mapping[str, Any] | None = None

    def keys(self) -> list[str]:
        """The parameter names, in the order the registry gives them."""
        return list(self.parameters or {})


# `keras` is a layer class where there are parameters, else a name keras.layers.Activation knows.
ACTIVATIONS: dict[str, Choice] = {
    "relu": Choice("max(0, x), the study's choice", "relu"),
    "tanh": Choice("hyperbolic tangent, between -1 and 1", "tanh"),
    "gelu": Choice("x times the Gaussian distribution function of x", "gelu"),
    "sigmoid": Choice("logistic function, between 0 and 1", "sigmoid"),
    "silu": Choice("x times sigmoid(x), also called swish", "silu"),
    "mish": Choice("x times tanh(softplus(x))", "mish"),
    "elu": Choice("x, or alpha (exp(x) - 1) below zero", "ELU", {"alpha": Positive}),
    "selu": Choice("scaled elu that keeps mean and variance; pairs with lecun_normal", "selu"),
    "leaky_relu": Choice(
        "x, or a small slope times x below zero", "LeakyReLU", {"negative_slope": NonNegative}
    ),
    "relu6": Choice("relu cut off at 6", "relu6"),
    "softplus": Choice("log(1 + exp(x)), a smooth relu", "softplus"),
    "softsign": Choice("x / (1 + |x|)", "softsign"),
    "hard_sigmoid": Choice("piecewise linear sigmoid", "hard_sigmoid"),
    "hard_silu": Choice("x times the piecewise linear sigmoid", "hard_silu"),
    "linear": Choice("no activation: the control of a comparison", "linear"),
}

INITIALIZERS: dict[str, Choice] = {
    "he_normal": Choice("truncated normal, variance 2/fan_in; the study's for relu", "HeNormal"),
    "he_uniform": Choice("uniform, variance 2/fan_in", "HeUniform"),
    "glorot_normal": Choice("truncated normal, variance 2/(fan_in + fan_out)", "GlorotNormal"),
    "glorot_uniform": Choice(
        "uniform, variance 2/(fan_in + fan_out); Keras's default", "GlorotUniform"
    ),
    "lecun_normal": Choice("truncated normal, variance 1/fan_in; pairs with selu", "LecunNormal"),
    "lecun_uniform": Choice("uniform, variance 1/fan_in", "LecunUniform"),
    "orthogonal": Choice("a random orthogonal matrix times gain", "Orthogonal", {"gain": Positive}),
    "random_normal": Choice(
        "normal with a fixed SD, whatever the layer's size", "RandomNormal", {"stddev": Positive}
    ),
    "truncated_normal": Choice(
        "normal with a fixed SD, cut off at two of them", "TruncatedNormal", {"stddev": Positive}
    ),
    "random_uniform": Choice(
        "uniform between two fixed bounds", "RandomUniform", {"minval": float, "maxval": float}
    ),
    "zeros": Choice("all zero: the control that cannot learn", "Zeros"),
}

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

_WARMUP = {"warmup": Fraction}

SCHEDULES: dict[str, Choice] = {
    "constant": Choice("the optimizer's rate throughout, the study's choice", None, _WARMUP),
    "cosine": Choice(
        "half a cosine down to a share of the rate", None, {**_WARMUP, "final": UnitInterval}
    ),
    "linear": Choice(
        "a straight line down to a share of the rate", None, {**_WARMUP, "final": UnitInterval}
    ),
    "exponential": Choice(
        "the same factor every step, down to a share of the rate",
        None,
        {**_WARMUP, "final": Share},
    ),
    "step": Choice(
        "multiplied by a factor at equally spaced steps",
        None,
        {**_WARMUP, "factor": PositiveFraction, "drops": PositiveInt},
    ),
    "one_cycle": Choice(
        "up to the rate, then down far below it (Smith, 2018)",
        None,
        {"peak": PositiveFraction, "start": UnitInterval, "final": UnitInterval},
    ),
    "inverse_sqrt": Choice("1 over the root of the step after the warm-up", None, _WARMUP),
}

REGISTRIES: dict[str, dict[str, Choice]] = {
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}


@cache
def _schema_of(group: str, name: str) -> type[BaseModel]:
    parameters = REGISTRIES[group][name].parameters or {}
    fields: dict[str, Any] = {key: (kind, ...) for key, kind in parameters.items()}
    return create_model(f"{group}_{name}", __config__=STRICT, name=(str, ...), **fields)


def check_choice(group: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """The node with its parameters checked against the registry's entry for `node["name"]`.

    Raises:
        pydantic.ValidationError: a parameter is missing, unknown, mistyped or out of range.
    """
    return _schema_of(group, node["name"]).model_validate(dict(node)).model_dump()
