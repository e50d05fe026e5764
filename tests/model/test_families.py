"""A family of nets is one module and one YAML file; here both come from outside the package."""

from pathlib import Path

import numpy as np
import pytest
from toy_family import gated

from mlptrain.config import compose as composing
from mlptrain.config.recipe import recipe_line
from mlptrain.config.sizes import parameter_count
from mlptrain.errors import ConfigError
from mlptrain.families import FAMILIES

YAML = Path(gated.__file__).with_name("gated.yaml")


@pytest.fixture
def with_toy(add_choice):
    """`conf/` with one more file, and its family registered: overrides → the composed config."""
    add_choice("model", FAMILIES, gated.Model, YAML)
    small = ["data=cifar10_mini", "data.limit=100", "model=gated"]
    return lambda *words: composing.compose([*small, *words]).config


def test_a_new_family_trains_and_describes_itself(with_toy):
    from mlptrain.training.assemble import assemble
    from mlptrain.training.engine import Totals

    config = with_toy("regularization=l2")
    assembly = assemble(config)
    assert assembly.mlp.network.count_params() == parameter_count(config)
    assert len(assembly.mlp.penalized) == config.model.count_layers()
    assert recipe_line(config).startswith("6 gated relu he_normal")
    engine, before = assembly.engine, assembly.engine.weights()
    rates = np.full(2, 1e-3, np.float32)
    totals = engine.train_steps(engine.start_epoch(1), rates, 0, 1, 0, Totals())
    assert totals.bad_step == -1
    for old, new in zip(before, engine.weights(), strict=True):
        assert (old != new).any()


# h5py reads Keras's variables as NumPy 1 did.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_saved_model_of_a_new_family_is_read_back(with_toy, tmp_path):
    from mlptrain.model.mlp import build_mlp
    from mlptrain.model.saved import load_classifier

    trained = build_mlp(with_toy("data.scaling=zero_one"), None)
    slopes = trained.network.get_layer("slopes")
    slopes.set_weights([np.linspace(-1, 1, 6)])
    trained.classifier.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    loaded = load_classifier(tmp_path, with_toy("data.scaling=zero_one", "seed=1"))
    np.testing.assert_array_equal(
        np.asarray(loaded(images)), np.asarray(trained.classifier(images))
    )


def test_keys_of_a_new_family_are_checked(with_toy):
    with pytest.raises(ConfigError) as refused:
        with_toy("model.width=0")
    assert "model.width: at least 1" in refused.value.expected
    with pytest.raises(ConfigError) as refused:
        composing.compose(["model.name=gated"])
    assert "model=gated" in refused.value.action


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_the_module_of_its_name(name):
    assert FAMILIES[name].__module__ == f"mlptrain.families.{name}"
