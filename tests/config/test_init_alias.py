import pytest

from mlptrain.config.compose import compose
from mlptrain.config.overrides import normalize
from mlptrain.errors import ConfigError
from mlptrain.sweeps.cells import plan_sweep


@pytest.mark.parametrize("word", ["init=zeros", "+init=zeros", "++init=zeros"])
def test_init_is_an_alias_of_initializer(word):
    assert compose([word]).config.initializer.name == "zeros"


def test_init_reaches_the_parameters_too():
    config = compose(["init=random_normal", "init.stddev=0.1"]).config
    assert config.initializer.parameters == {"stddev": 0.1}


@pytest.mark.parametrize("word", ["++init.stddev=0.1", "init.stddev=0.1"])
def test_the_alias_works_in_every_form_of_an_override(word):
    assert compose(["init=truncated_normal", word]).config.initializer.parameters["stddev"] == 0.1


def test_removing_init_is_refused_under_its_full_name():
    with pytest.raises(ConfigError, match="initializer"):
        compose(["~init"])


def test_init_works_in_grids():
    cells = plan_sweep(["init=he_normal,glorot_uniform"]).cells
    assert [cell.config.initializer.name for cell in cells] == ["he_normal", "glorot_uniform"]


@pytest.mark.parametrize("word", ["initial=1", "name=init", "init_scale=1", "model.init=1"])
def test_only_the_key_init_itself_is_an_alias(word):
    assert normalize([word]) == [word]


def test_a_group_may_be_given_with_a_plus():
    assert normalize(["+experiment=x", "++optimizer=sgd"]) == ["experiment=x", "optimizer=sgd"]


@pytest.mark.parametrize(("word", "enabled"), [("true", True), ("false", False), ("null", False)])
def test_a_callback_is_switched_by_its_name_alone(word, enabled):
    config = compose([f"callbacks.early_stopping={word}"]).config
    assert config.callbacks.early_stopping.enabled is enabled
