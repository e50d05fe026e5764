"""The activation functions that `activation=` may name."""

from __future__ import annotations

from mlptrain.config.choices import Choice, NonNegative, Positive

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
