"""A group that the command line names replaces what an experiment says about it."""

import pytest

from mlptrain.config.compose import compose
from mlptrain.config.location import choices, contents, groups
from mlptrain.errors import ConfigError

EXPERIMENTS = choices("experiment")
OF_ONE_PART = [group for group in groups() if group not in ("experiment", "debug")]


def one_of_each_kind(group):
    """A choice for each set of keys that the files of a group have; they compose alike."""
    return list({frozenset(contents(group, name)): name for name in choices(group)}.values())


# Own images need a path, so they are refused with or without an experiment.
OTHER = [
    (group, name) for group in OF_ONE_PART if group != "data" for name in one_of_each_kind(group)
] + [("data", "cifar10_mini")]


def part(config, group):
    return config.model_dump()[group]


# One experiment takes ten seconds of computing, so the quick suite has one.
@pytest.mark.parametrize(
    "experiment",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "best")) for name in EXPERIMENTS],
)
def test_every_choice_of_a_group_replaces_that_of_every_experiment_with_all_its_keys(experiment):
    alone = compose([f"experiment={experiment}"]).config.model_dump()
    for group, name in OTHER:
        config = compose([f"experiment={experiment}", f"{group}={name}"]).config
        assert part(config, group) == part(compose([f"{group}={name}"]).config, group)
        others = {key: value for key, value in config.model_dump().items() if key != group}
        assert others == {key: value for key, value in alone.items() if key != group}


@pytest.mark.parametrize("debug", choices("debug"))
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_debug_works_on_top_of_every_experiment(experiment, debug):
    config = compose([f"experiment={experiment}", f"debug={debug}"]).config
    alone = compose([f"experiment={experiment}"]).config
    assert config.data.name == "cifar10_mini"
    assert config.train.epochs < 41
    assert config.train.batch_size == 64
    assert config.model.name == alone.model.name
    assert part(config, "optimizer") == part(alone, "optimizer")
    if debug == "overfit_batch":
        assert not config.active_augmentations()
        assert getattr(config.model, "dropout", 0) == 0


def test_the_keys_of_a_debug_choice_hold_whichever_choices_are_named_beside_it():
    config = compose(["debug=overfit_batch", "model=residual", "augmentation=flip"]).config
    assert (config.model.name, config.model.dropout) == ("residual", 0.0)
    assert config.augmentation.flip is True
    wide = compose(["debug=overfit_batch", "model=wide"]).config
    assert (wide.model.hidden[0], wide.model.dropout, wide.model.batch_norm) == (1024, 0.0, False)


def test_single_values_of_the_command_line_hold_in_any_order():
    words = ["optimizer.momentum=0.5", "train.epochs=3", "experiment=fast", "optimizer=sgd"]
    config = compose(words).config
    assert (config.optimizer.name, config.optimizer.parameters["momentum"]) == ("sgd", 0.5)
    assert config.train.epochs == 3
    assert config == compose(words[::-1]).config


def test_a_list_of_augmentations_replaces_those_of_an_experiment():
    config = compose(["experiment=flat", "augmentation=[cutout,noise]"]).config
    assert set(config.active_augmentations()) == {"cutout", "noise"}


def test_a_group_beside_an_earlier_run_replaces_that_of_the_run():
    earlier = compose(["experiment=flat", "seed=7"]).config.model_dump()
    config = compose(["augmentation=none", "optimizer=sgd"], base=earlier).config
    assert not config.active_augmentations()
    assert (config.optimizer.name, config.seed, config.train.ema) == ("sgd", 7, 0.999)
    tested = compose(["debug=smoke"], base=earlier).config
    assert (tested.data.name, tested.train.batch_size, tested.seed) == ("cifar10_mini", 64, 7)
    assert (
        tested.active_augmentations().keys()
        == compose([], base=earlier).config.active_augmentations().keys()
    )


@pytest.mark.parametrize(
    ("words", "received"),
    [
        (["experiment=fast", "experiment=strong"], "experiment=fast experiment=strong"),
        (["experiment=fast", "optimizer=sgd", "optimizer.weight_decay=0.1"], "optimizer.weight_d"),
        (["experiment=fast", "~optimizer"], "no optimizer"),
    ],
)
def test_what_the_command_line_gets_wrong_is_refused(words, received):
    with pytest.raises(ConfigError) as refused:
        compose(words)
    assert received in refused.value.received
