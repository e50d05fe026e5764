"""An experiment and another choice compose, or the refusal names the key that does not fit."""

import pytest

from mlptrain.config.compose import compose
from mlptrain.config.location import choices, contents, groups
from mlptrain.errors import ConfigError


def dotted_keys(node, prefix=""):
    """Every key that a file sets, such as `model.blocks`."""
    for key, value in node.items():
        if key == "defaults":
            continue
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from dotted_keys(value, f"{prefix}{key}.")


def keys_set_by(group, choice):
    """The keys that a global choice sets, those of the choices that it builds on included."""
    node = contents(group, choice)
    keys = set(dotted_keys(node))
    for entry in node.get("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            keys |= keys_set_by(group, entry)
    return keys


def one_of_each_kind(group):
    """A choice for each set of keys that the files of a group have; they compose alike."""
    if group == "debug":
        return choices(group)
    return list({frozenset(contents(group, name)): name for name in choices(group)}.values())


# Own images need a path, so they are refused with or without an experiment.
OTHER = [
    (group, name)
    for group in groups()
    if group not in ("experiment", "data")
    for name in one_of_each_kind(group)
] + [("data", "cifar10_mini")]


# One experiment takes ten seconds of computing, so the quick suite has one.
EXPERIMENTS = [
    pytest.param(name, marks=[pytest.mark.slow] * (name != "best"))
    for name in choices("experiment")
]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_other_choice_composes_or_is_refused_by_key(experiment):
    composed = 0
    for group, name in OTHER:
        try:
            compose([f"experiment={experiment}", f"{group}={name}"])
        except ConfigError as error:
            keys = keys_set_by("experiment", experiment)
            if group == "debug":
                keys |= keys_set_by(group, name)
            refused = f"{error.expected} {error.received}"
            assert any(key in refused for key in keys if "." in key), (group, name, refused)
        else:
            composed += 1
    assert composed > len(OTHER) / 2


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["experiment=fast", "model=wide"], "model.blocks"),
        (["experiment=best", "optimizer=sgd"], "optimizer.weight_decay"),
        (["experiment=strong", "debug=smoke"], "train.batch_size"),
        (["experiment=flip_shift_cosine", "schedule=one_cycle"], "schedule.warmup"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused_by_key(arguments, key):
    with pytest.raises(ConfigError) as refused:
        compose(arguments)
    assert key in refused.value.expected
