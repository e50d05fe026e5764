import optuna
import pytest
import yaml

from mlptrain.config.compose import compose
from mlptrain.config.location import CONF, SEARCH, choices
from mlptrain.errors import ConfigError
from mlptrain.search.space import Space, load_space

SPACE = {
    "settings": ["data=cifar10_mini"],
    "space": {
        "optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "optimizer": {"choices": ["adam", "sgd"]},
        "train.batch_size": {"low": 32, "high": 128, "step": 32},
        "model.batch_norm": {"choices": [True, False]},
    },
    "trials": 5,
    "sampler": "tpe",
    "pruner": "median",
}


@pytest.mark.parametrize("name", choices(SEARCH))
def test_every_search_of_conf_is_valid_and_opens_with_its_command(name):
    what, command, *_ = (CONF / SEARCH / f"{name}.yaml").read_text().splitlines()
    assert what.startswith(f"# {name}: ")
    assert command.startswith(f"# mlptrain search {name}")
    stem, space = load_space(name)
    assert stem == name
    space.check([], {})


def test_a_trial_takes_values_within_the_space_and_its_words_compose():
    space = Space.model_validate(SPACE)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    rates = []
    for _ in range(30):
        words = space.suggest(study.ask())
        config = compose([*space.settings, *words]).config
        assert words[0].startswith("optimizer=")  # it brings the keys of the others
        assert config.optimizer.name in ("adam", "sgd")
        assert config.train.batch_size in (32, 64, 96, 128)
        assert 1e-4 <= config.optimizer.learning_rate <= 1e-2
        rates.append(config.optimizer.learning_rate)
    assert sum(rate < 1e-3 for rate in rates) > 8  # evenly by ratio, not by difference


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {}}, "space"),
        ({"space": {"seed": {"low": 5, "high": 5}}}, "low below high"),
        ({"space": {"seed": {"low": 0, "high": 5, "log": True}}}, "positive low"),
        ({"space": {"seed": {"choices": []}}}, "choices"),
        ({"pruner": "asha"}, "pruner"),
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


def test_a_file_is_read_as_a_person_writes_it(tmp_path):
    path = tmp_path / "mine.yaml"
    text = yaml.safe_dump({**SPACE, "space": {"init": {"choices": ["zeros"]}}})
    # PyYAML takes 1e-4 for text, and `init` is another word for `initializer`.
    text = text.replace("space:\n", "space:\n  optimizer.learning_rate: {low: 1e-4, high: 1e-2}\n")
    path.write_text(text)
    _, space = load_space(str(path))
    assert set(space.space) == {"initializer", "optimizer.learning_rate"}
    assert space.space["optimizer.learning_rate"].values_to_check() == [1e-4, 1e-2]


@pytest.mark.parametrize("name", ["optimizer", "nothing.yaml", "../study/full", "x" * 300])
def test_a_search_that_is_not_there_is_refused(name):
    with pytest.raises(ConfigError) as refused:
        load_space(name)
    assert "optimizers" in str(refused.value)


def test_a_value_of_the_space_that_no_config_takes_is_found_before_the_search():
    entries = {**SPACE["space"], "model.dropout": {"low": 0.0, "high": 1.5}}
    space = Space.model_validate({**SPACE, "space": entries})
    with pytest.raises(ConfigError) as refused:
        space.check([], {})
    assert "model.dropout=1.5" in str(refused.value)
