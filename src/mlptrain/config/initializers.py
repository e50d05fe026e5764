"""The weight initializers that `initializer=` (or `init=`) may name."""

from __future__ import annotations

from mlptrain.config.choices import Choice, Positive

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
