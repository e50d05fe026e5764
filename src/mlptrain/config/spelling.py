"""Spelling on the command line: the nearest valid name, values, quotes."""

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
    if (name := synonym(word, valid)) is not None:
        return name
    lowered = word.lower().replace("-", "_")
    if "." in lowered:
        head, _, tail = lowered.rpartition(".")
        same_tail = [key for key in valid if key.rpartition(".")[2] == tail]
        siblings = [key.rpartition(".")[2] for key in valid if key.rpartition(".")[0] == head]
        if (close := _closest(tail, siblings)) is not None:
            return f"{head}.{close}"
        if len(same_tail) == 1:
            return same_tail[0]
        if siblings:  # the node is right: matching the whole key would only repeat its name
            return None
    return _closest(lowered, valid)


def synonym(word: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that is `word`, in other libraries or as the end of its key."""
    valid = list(valid)
    lowered = word.lower().replace("-", "_")
    for name in (lowered, _KNOWN_ELSEWHERE.get(lowered)):
        if name in valid:
            return name
    same_tail = [key for key in valid if key.rpartition(".")[2] == lowered]
    return same_tail[0] if len(same_tail) == 1 else None


def _closest(word: str, valid: Iterable[str]) -> str | None:
    """Return the name that the fewest slips of the fingers turn into `word`.

    Of several, it is the most similar one: `adma` is adam, not adamax.
    """
    similar = get_close_matches(word, list(valid), n=5, cutoff=0.6)
    return min(similar, key=lambda name: _slips(word, name), default=None)


def _slips(word: str, name: str) -> int:
    """Return how many letters were left out, added, exchanged, or swapped with the next one.

    This is the restricted distance of Damerau (1964) and Levenshtein (1966).
    """
    before: list[int] = []
    row = list(range(len(name) + 1))
    for i, letter in enumerate(word, 1):
        previous, before, row = before, row, [i]
        for j, other in enumerate(name, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other)))
            if i > 1 and j > 1 and word[i - 2 : i] == name[j - 2 : j][::-1]:
                row[j] = min(row[j], previous[j - 2] + 1)
    return row[-1]


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
