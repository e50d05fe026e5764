import copy
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from mlptrain.config import identity
from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash, recipe_hash
from mlptrain.config.schema import Config
from mlptrain.config.validation import validate

WITHOUT_EFFECT = {
    "name", "tags", "output_root", "artifacts", "instruments", "logger.name",
    "runtime.progress", "runtime.threads", "data.path",
}  # fmt: skip
# Values of every type, and every word that a key may hold; the first valid other one is used.
POOL = [
    False, True, 7, 8, 0.25, 0.5, [7, 8], ["x"], "text", "cifar10_mini", "zero_one", "minimal",
    "every_epoch", "val_accuracy", "accuracy", "plain", "cpu", "mixed_bfloat16", "none", "balanced",
    "off",
]  # fmt: skip
DEFAULT = compose([]).config
RICH = compose(["activation=elu", "init=random_uniform", "optimizer=adamw", "schedule=step"]).config


def leaves(node, prefix=""):
    for key, value in node.items():
        if prefix + key == "model.name":  # another kind of model has other keys
            continue
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def changed(config, dotted):
    """The config with another valid value at one leaf."""
    for value in POOL:
        plain = copy.deepcopy(config.model_dump())
        node = plain
        *path, key = dotted.split(".")
        for part in path:
            node = node[part]
        if type(node[key]) is type(value) and node[key] == value:
            continue
        node[key] = value
        try:
            return Config.model_validate(plain)
        except ValidationError:
            continue
    raise AssertionError(f"no value in POOL fits {dotted}: add one")


@pytest.mark.parametrize("dotted", list(leaves(DEFAULT.model_dump())))
def test_identity_changes_with_every_key_but_those_without_effect(dotted):
    same = config_hash(changed(DEFAULT, dotted)) == config_hash(DEFAULT)
    assert same == (dotted in WITHOUT_EFFECT)


@pytest.mark.parametrize("dotted", list(leaves(RICH.model_dump())))
def test_identity_sees_the_parameters_of_named_choices(dotted):
    same = config_hash(changed(RICH, dotted)) == config_hash(RICH)
    assert same == (dotted in WITHOUT_EFFECT)


def test_the_recipe_is_the_identity_without_the_seeds_of_run_and_split():
    other_split = compose(["data.split_seed=0"]).config
    assert recipe_hash(other_split) == recipe_hash(DEFAULT)
    assert config_hash(other_split) != config_hash(DEFAULT)
    other_seed = compose(["seed=7"]).config
    other_rate = compose(["optimizer.learning_rate=0.01"]).config
    assert recipe_hash(other_seed) == recipe_hash(DEFAULT)
    assert config_hash(other_seed) != config_hash(DEFAULT)
    assert recipe_hash(other_rate) != recipe_hash(DEFAULT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("model.dropout=0", "model.dropout=0.0"),
        ("optimizer.learning_rate=1", "optimizer.learning_rate=1.0"),
        ("optimizer.learning_rate=1e-2", "optimizer.learning_rate=0.01"),
        ("regularization.l2=0", "regularization=none"),
        ("regularization.max_norm=3", "regularization.max_norm=3.0"),
        ("activation=relu", "train.epochs=30"),
    ],
)
def test_two_spellings_of_one_config_are_one_identity(one, other):
    assert config_hash(compose([one]).config) == config_hash(compose([other]).config)


def test_the_order_of_overrides_does_not_matter():
    words = ["optimizer=adam", "model.dropout=0.1", "seed=3"]
    assert config_hash(compose(words).config) == config_hash(compose(words[::-1]).config)


def test_a_config_read_back_from_its_folder_has_the_same_identity():
    assert config_hash(Config.model_validate(DEFAULT.model_dump())) == config_hash(DEFAULT)


def test_the_identity_of_the_default_config_is_pinned():
    # Finished runs are recognized by this hash. If this fails after the first release, no earlier
    # run is recognized: give a new key a neutral value in identity.NEUTRAL instead.
    assert (
        config_hash(DEFAULT) == "dd3bd712d67d11526ca8df91c7fd6f550fc9841ede5412f0e99cd7d41dc5d615"
    )


def test_a_new_key_does_not_change_the_hash_while_it_is_neutral(monkeypatch):
    with_key = config_hash(DEFAULT)
    monkeypatch.setitem(identity.NEUTRAL, "regularization.clip_norm", None)
    assert config_hash(DEFAULT) != with_key
    assert "clip_norm" not in identity.identity(DEFAULT)["regularization"]
    clipped = compose(["regularization.clip_norm=1"]).config
    assert identity.identity(clipped)["regularization"]["clip_norm"] == 1
    assert config_hash(clipped) != config_hash(DEFAULT)


def test_a_new_key_of_some_choices_is_not_added_to_the_others(monkeypatch):
    monkeypatch.setitem(identity.NEUTRAL, "optimizer.beta_3", 0.0)
    assert "beta_3" not in identity.identity(DEFAULT)["optimizer"]


PUBLISHED = sorted(Path(__file__).parents[2].glob("docs/results/full/*/run.json"))


@pytest.mark.parametrize("path", PUBLISHED[::9], ids=lambda path: path.parent.name)
def test_published_runs_have_the_identity_of_their_config(path):
    run = json.loads(path.read_text(encoding="utf-8"))
    config = validate(run["config"])
    assert (config_hash(config), recipe_hash(config)) == (run["config_hash"], run["recipe_hash"])
    assert path.parent.name.endswith(f"-{run['config_hash'][:8]}")


def test_overrides_apply_to_the_config_of_a_published_run():
    run = json.loads(PUBLISHED[0].read_text(encoding="utf-8"))
    config = compose(["augmentation.crop=24", "model.dropout=0.4"], base=run["config"]).config
    assert (config.augmentation.crop, config.model.dropout) == (24, 0.4)
    other = compose(["model=residual"], base=run["config"]).config
    assert other.model.width == 1024
