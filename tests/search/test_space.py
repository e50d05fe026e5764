import optuna
import pytest
import yaml

from mlptrain.config.compose import compose
from mlptrain.config.location import CONF, SEARCH, choices
from mlptrain.errors import ConfigError
from mlptrain.search.space import Space
from mlptrain.search.space_file import load_space

SPACE = {
    "settings": ["data=cifar10_mini"],
    "space": {
        "optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "optimizer": {"choices": ["adam", "sgd"]},
        "optimizer.momentum": {"low": 0.5, "high": 0.99996, "when": {"optimizer": "sgd"}},
        "train.batch_size": {"low": 32, "high": 128, "step": 32},
        "model.batch_norm": {"choices": [True, False]},
        "regularization.max_norm": {"choices": [None, 3.0]},
        "model.hidden": {"choices": [[16], "[16, 8]"]},
    },
    "trials": 5,
    "sampler": "tpe",
    "halving": True,
}


def drawn(space, count):
    """The values of so many trials, at random."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [space.suggest(study.ask()) for _ in range(count)]


@pytest.mark.parametrize("name", choices(SEARCH))
def test_every_search_of_conf_is_valid_and_opens_with_its_command(name):
    what, command, *_ = (CONF / SEARCH / f"{name}.yaml").read_text().splitlines()
    assert what.startswith(f"# {name}: ")
    assert command.startswith(f"# mlptrain search {name}")
    stem, space = load_space(name)
    assert stem == name
    space.check([], {})


def test_a_trial_takes_values_within_the_space_and_its_overrides_compose():
    space = Space.model_validate(SPACE)
    space.check([], {})
    rates, norms, nets = [], set(), set()
    for values in drawn(space, 30):
        words = space.overrides(values)
        config = compose([*space.settings, *words]).config
        assert words[0].startswith("optimizer=")  # it brings the keys of the others
        assert config.optimizer.name in ("adam", "sgd")
        assert (config.optimizer.name == "sgd") == ("optimizer.momentum" in values)
        assert config.train.batch_size in (32, 64, 96, 128)
        assert 1e-4 <= config.optimizer.learning_rate <= 1e-2
        rates.append(config.optimizer.learning_rate)
        norms.add(config.regularization.max_norm)
        nets.add(tuple(config.model.hidden))
    assert sum(rate < 1e-3 for rate in rates) > 8  # evenly by ratio, not by difference
    assert (norms, nets) == ({None, 3.0}, {(16,), (16, 8)})


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [
        (0.999, 0.99996, False),
        (0.9, 0.99996, True),
        (1e-7, 1e-3, True),
        (100_000.5, 100_001.0, False),
    ],
)
def test_a_drawn_number_has_the_digits_that_its_range_needs_and_no_more(low, high, log):
    entry = {"low": low, "high": high, "log": log}
    space = Space.model_validate({**SPACE, "space": {"train.ema": entry}})
    numbers = [values["train.ema"] for values in drawn(space, 200)]
    assert len(set(numbers)) > 150
    assert all(low <= number <= high for number in numbers)
    for values in drawn(space, 200):
        (text,) = space.overrides(values)
        number = text.partition("=")[2]
        assert float(number) == values["train.ema"]
        assert len(number) <= 11


def test_a_key_that_the_command_line_sets_decides_which_others_exist():
    entries = {**SPACE["space"], "optimizer.nesterov": {
        "choices": [True, False], "when": {"optimizer": ["sgd"]}
    }}  # fmt: skip
    space = Space.model_validate({**SPACE, "space": entries})
    conditional = {"optimizer.momentum", "optimizer.nesterov"}
    rest = set(entries) - conditional - {"optimizer"}
    assert set(space.without({"optimizer": "adam"}).space) == rest
    fixed = space.without({"optimizer": "sgd"})
    assert set(fixed.space) == rest | conditional
    assert all(conditional <= values.keys() for values in drawn(fixed, 5))


def with_when(when):
    """A change of the space: a key with that condition."""
    entry = {"low": 0.5, "high": 0.9, "when": when}
    return {"space": {**SPACE["space"], "train.ema": entry}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {}}, "space"),
        ({"space": {"seed": {"low": 5, "high": 5}}}, "low below high"),
        ({"space": {"seed": {"low": 0, "high": 5, "log": True}}}, "positive low"),
        ({"space": {"seed": {"choices": []}}}, "choices"),
        ({"space": {"seed": {"low": 5, "high": 1}}}, "space.seed: low below high"),
        ({"space": {"seed": {"low": 0, "high": float("inf")}}}, "space.seed.high: a number"),
        ({"space": {"seed": {"low": float("nan"), "high": 1}}}, "space.seed.low: a number"),
        ({"space": {"seed": {"low": True, "high": 5}}}, "space.seed.low: a number"),
        ({"space": {"seed": "5"}}, "space.seed: choices, or low and high"),
        ({"space": None}, "space"),
        ({"space": {"seed": {"low": 0, "high": 5, "step": 6}}}, "space.seed: a positive step"),
        ({"space": {"seed": {"low": 0}}}, "space.seed.high"),
        ({"space": {"optimizer": {"choices": ["sgd", "sgd"]}}}, "sgd twice"),
        ({"space": {"name": {"choices": ["a", "b"]}}}, "space.name: a setting that can change"),
        ({"space": {"logger": {"choices": ["none", "mlflow"]}}}, "space.logger"),
        (with_when({"optimizr": "sgd"}), "space.train.ema.when: a key of the space"),
        (with_when({"train.batch_size": 32}), "space.train.ema.when: a key of the space"),
        (with_when({"optimizer": "lion"}), "space.train.ema.when: choices of optimizer, not lion"),
        (with_when({"train.ema": 0.5}), "space.train.ema.when"),
        (with_when("sgd"), "space.train.ema.when"),
        ({"settings": ["optimizer=adam"]}, "no optimizer=adam, because the space searches"),
        (
            {"space": {"init": {"choices": ["zeros"]}, "initializer": {"choices": ["ones"]}}},
            "space.initializer: each key once",
        ),
        ({"pruner": "asha"}, "pruner"),
        ({"budget": 0}, "budget"),
        ({"trials": 0}, "trials"),
        ({"trails": 3}, "trails"),
    ],
)
def test_a_file_that_is_no_search_is_refused_with_the_reason(tmp_path, change, message):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**SPACE, **change}))
    with pytest.raises(ConfigError) as refused:
        load_space(str(path))
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "to do" in str(refused.value)


def test_a_file_is_read_as_a_person_writes_it(tmp_path):
    path = tmp_path / "mine.yaml"
    text = yaml.safe_dump({**SPACE, "space": {"init": {"choices": ["zeros"]}}})
    # By YAML 1.1, 1e-4 is text; `init` is another word for `initializer`.
    text = text.replace("space:\n", "space:\n  optimizer.learning_rate: {low: 1e-4, high: 1e-2}\n")
    path.write_text(text)
    _, space = load_space(str(path))
    assert set(space.space) == {"initializer", "optimizer.learning_rate"}
    assert space.space["optimizer.learning_rate"].values_to_check() == [1e-4, 1e-2]
    path.write_text(text.replace("space:\n", "space:\n  optimizer.learning_rate: {choices: [1]}\n"))
    with pytest.raises(ConfigError, match=r"duplicate key optimizer\.learning_rate"):
        load_space(str(path))
    path.write_text("")
    with pytest.raises(ConfigError, match="space: an entry of this name"):
        load_space(str(path))


@pytest.mark.parametrize("name", ["optimizer", "nothing.yaml", "../study/full", "x" * 300])
def test_a_search_that_is_not_there_is_refused(name):
    with pytest.raises(ConfigError) as refused:
        load_space(name)
    assert "optimizers" in str(refused.value)


@pytest.mark.parametrize(
    ("entries", "entry", "value"),
    [
        ({"model.dropout": {"low": 0.0, "high": 1.5}}, "space.model.dropout", "model.dropout=1.5"),
        ({"model.dropuot": {"low": 0.0, "high": 0.5}}, "space.model.dropuot", "model.dropuot=0"),
        ({"activation": {"choices": ["relu", "rleu"]}}, "space.activation", "activation=rleu"),
        # Adam has no momentum: the key needs a condition.
        ({"optimizer.momentum": {"low": 0.5, "high": 0.9}}, "space.optimizer.momentum",
         "optimizer=adam"),
        ({"optimizer.beta_1": {"low": 0.5, "high": 0.9, "when": {"optimizer": ["adam", "sgd"]}}},
         "space.optimizer.beta_1", "optimizer=sgd"),
    ],
)  # fmt: skip
def test_a_value_of_the_space_that_no_config_takes_is_found_before_the_search(
    entries, entry, value
):
    space = Space.model_validate({**SPACE, "space": {**SPACE["space"], **entries}})
    with pytest.raises(ConfigError) as refused:
        space.check([], {})
    assert entry in str(refused.value)
    assert value in str(refused.value)
