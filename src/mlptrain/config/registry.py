"""Registries: group → name → what it stands for, and which parameters it takes.

What a choice is, for people, is the first line of its file in `conf/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from mlptrain.ranges import STRICT, Fraction, NonNegative, Positive
from mlptrain.schedules import SCHEDULES, Schedule


@dataclass(frozen=True)
class Choice:
    """One entry of a registry: what `name:` in a group's file may say.

    Attributes:
        keras: the class or function name in the matching Keras module.
        parameters: key → type with its range; the keys are Keras's own argument names.
        averages: whether an optimizer averages the weights itself, in place of a schedule.
    """

    keras: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    averages: bool = False


# `keras` is a layer class where there are parameters, else a name keras.layers.Activation knows.
ACTIVATIONS: dict[str, Choice] = {
    "relu": Choice("relu"),
    "tanh": Choice("tanh"),
    "gelu": Choice("gelu"),
    "sigmoid": Choice("sigmoid"),
    "silu": Choice("silu"),
    "mish": Choice("mish"),
    "elu": Choice("ELU", {"alpha": Positive}),
    "selu": Choice("selu"),
    "leaky_relu": Choice("LeakyReLU", {"negative_slope": NonNegative}),
    "relu6": Choice("relu6"),
    "softplus": Choice("softplus"),
    "softsign": Choice("softsign"),
    "hard_sigmoid": Choice("hard_sigmoid"),
    "hard_silu": Choice("hard_silu"),
    "linear": Choice("linear"),
}

INITIALIZERS: dict[str, Choice] = {
    "he_normal": Choice("HeNormal"),
    "he_uniform": Choice("HeUniform"),
    "glorot_normal": Choice("GlorotNormal"),
    "glorot_uniform": Choice("GlorotUniform"),
    "lecun_normal": Choice("LecunNormal"),
    "lecun_uniform": Choice("LecunUniform"),
    "orthogonal": Choice("Orthogonal", {"gain": Positive}),
    "random_normal": Choice("RandomNormal", {"stddev": Positive}),
    "truncated_normal": Choice("TruncatedNormal", {"stddev": Positive}),
    "random_uniform": Choice("RandomUniform", {"minval": float, "maxval": float}),
    "zeros": Choice("Zeros"),
}

_RATE = {"learning_rate": Positive}
_BETAS = {"beta_1": Fraction, "beta_2": Fraction, "epsilon": Positive}
_DECAY = {"weight_decay": NonNegative, "decay_kernels_only": bool}

OPTIMIZERS: dict[str, Choice] = {
    "rmsprop": Choice(
        "RMSprop",
        {**_RATE, "rho": Fraction, "momentum": Fraction, "epsilon": Positive, "centered": bool},
    ),
    "adam": Choice("Adam", {**_RATE, **_BETAS, "amsgrad": bool}),
    "adamw": Choice("AdamW", {**_RATE, **_BETAS, **_DECAY, "amsgrad": bool}),
    "sgd": Choice("SGD", {**_RATE, "momentum": Fraction, "nesterov": bool}),
    "nadam": Choice("Nadam", {**_RATE, **_BETAS}),
    "adamax": Choice("Adamax", {**_RATE, **_BETAS}),
    "adagrad": Choice(
        "Adagrad", {**_RATE, "initial_accumulator_value": NonNegative, "epsilon": Positive}
    ),
    "adadelta": Choice("Adadelta", {**_RATE, "rho": Fraction, "epsilon": Positive}),
    "lion": Choice("Lion", {**_RATE, "beta_1": Fraction, "beta_2": Fraction, **_DECAY}),
    "lamb": Choice("Lamb", {**_RATE, **_BETAS}),
    "muon": Choice(
        "Muon",
        {
            **{**_RATE, "momentum": Fraction, "nesterov": bool},
            "ns_steps": Annotated[int, Field(ge=1, le=20)],
            **{"adam_lr_ratio": Positive, "adam_beta_1": Fraction, "adam_beta_2": Fraction},
            **{"epsilon": Positive, **_DECAY},
        },
    ),
    # The average is recovered from the weights by dividing by beta_1.
    "schedule_free_adamw": Choice(
        "ScheduleFreeAdamW",
        {**_RATE, **_BETAS, "beta_1": Annotated[float, Field(ge=0.5, lt=1)], **_DECAY},
        averages=True,
    ),
    # With a smaller epsilon_1, Keras's product of the two averages underflows to zero where a row
    # and a column of a gradient are zero, such as those of dead units: all weights become NaN.
    "adafactor": Choice(
        "Adafactor",
        {
            **{**_RATE, "beta_2_decay": Annotated[float, Field(ge=-1, lt=0)]},
            **{"epsilon_1": Annotated[float, Field(ge=1e-16)], "epsilon_2": Positive},
            **{"clip_threshold": Positive, **_DECAY},
        },
    ),
}

REGISTRIES: dict[str, Mapping[str, Choice | Schedule]] = {
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}


@cache
def _schema_of(group: str, name: str) -> type[BaseModel]:
    parameters = REGISTRIES[group][name].parameters
    fields: dict[str, Any] = {key: (kind, ...) for key, kind in parameters.items()}
    return create_model(f"{group}_{name}", __config__=STRICT, name=(str, ...), **fields)


def check_choice(group: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the node with its parameters checked against the registry's entry for `node["name"]`.

    Raises:
        pydantic.ValidationError: a parameter is missing, unknown, mistyped or out of range.
    """
    return _schema_of(group, node["name"]).model_validate(dict(node)).model_dump()
