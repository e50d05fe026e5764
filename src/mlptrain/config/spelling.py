"""Spelling on the command line: the nearest valid name, values, quotes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from os import PathLike
from typing import Any

from mlptrain.formatting import quoted

_KNOWN_ELSEWHERE = {
    "celu": "elu",
    "xavier": "glorot_uniform",
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "glorot": "glorot_uniform",
    "kaiming": "he_normal",
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
    "he": "he_normal",
    "lecun": "lecun_normal",
    "swish": "silu",
    "hard_swish": "hard_silu",
    "hardswish": "hard_silu",
    "lrelu": "leaky_relu",
    "leakyrelu": "leaky_relu",
    "identity": "linear",
    "logistic": "sigmoid",
    "momentum": "sgd",
    "nesterov": "sgd",
    "rms": "rmsprop",
    "onecycle": "one_cycle",
    "l1_l2": "l1l2",
    "elastic_net": "l1l2",
    "cifar": "cifar10",
    "mini": "cifar10_mini",
    "lr": "optimizer.learning_rate",
    "learning_rate": "optimizer.learning_rate",
    "epochs": "train.epochs",
    "epoch": "train.epochs",
    "batch_size": "train.batch_size",
    "batch": "train.batch_size",
    "dropout": "model.dropout",
    "hidden": "model.hidden",
    "layers": "model.hidden",
    "optim": "optimizer",
    "initialiser": "initializer",
    "regularisation": "regularization",
    "dataset": "data",
    "scheduler": "schedule",
    "threads": "runtime.threads",
    "l2": "regularization.l2",
    "l1": "regularization.l1",
    "optimizer.lr": "optimizer.learning_rate",
}
"""Name in other libraries and papers → name here."""


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """Return the valid name closest to `word`, or None when nothing is close."""
    valid = list(valid)
    lowered = word.lower().replace("-", "_")
    if lowered in valid:
        return lowered
    if _KNOWN_ELSEWHERE.get(lowered) in valid:
        return _KNOWN_ELSEWHERE[lowered]
    if "." in lowered:
        head, _, tail = lowered.rpartition(".")
        same_tail = [key for key in valid if key.rpartition(".")[2] == tail]
        siblings = [key.rpartition(".")[2] for key in valid if key.rpartition(".")[0] == head]
        if close := get_close_matches(tail, siblings, n=1):
            return f"{head}.{close[0]}"
        if len(same_tail) == 1:
            return same_tail[0]
        if siblings:  # the node is right: matching the whole key would only repeat its name
            return None
    else:
        same_tail = [key for key in valid if key.rpartition(".")[2] == lowered]
        if len(same_tail) == 1:
            return same_tail[0]
    matches = get_close_matches(lowered, valid, n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(
    word: str, valid: Iterable[str], before: str = "", otherwise: str | None = None
) -> str:
    """Return a hint such as `did you mean model.dropout?`.

    When nothing is close it is `otherwise`, or a list of the valid names.
    """
    valid = list(valid)
    if (match := nearest(word, valid)) is not None:
        return f"did you mean {before}{match}?"
    return otherwise or f"use one of: {', '.join(valid)}"


def spelled(value: Any) -> str:
    """Spell a config's value as on the command line: `null`, `true`, `[512,256]`."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return "[" + ",".join(map(spelled, value)) + "]" if isinstance(value, list) else str(value)


def hydra_value(value: Any) -> str:
    """Spell a value of Python in Hydra's grammar; texts and paths are quoted unless plain."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{hydra_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(hydra_value, value)) + "]"
    if isinstance(value, str | PathLike):
        return quoted(str(value))
    return spelled(value)
