"""A callback is one module and its YAML; here both come from outside the package."""

from pathlib import Path

import pytest
from toy_callback import countdown

from mlptrain.callbacks import CALLBACKS
from mlptrain.config import compose as composing
from mlptrain.config.identity import config_hash
from mlptrain.errors import ConfigError
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.training.interruption import Interruption
from mlptrain.training.views.plain import View

YAML = Path(countdown.__file__).with_name("countdown.yaml")
SMALL = ["data=cifar10_mini", "data.limit=120", "model.hidden=[8]", "train.epochs=9"]


@pytest.fixture
def with_toy(add_choice):
    """`conf/` with one more file, and its callback registered: overrides → the checked config."""
    add_choice("callbacks", CALLBACKS, countdown.Settings, YAML)
    return lambda *words: composing.compose([*SMALL, "callbacks=countdown", *words]).config


def make_loop(config, path):
    from mlptrain.training.assemble import assemble
    from mlptrain.training.loop import EpochLoop

    assembly = assemble(config)
    path.mkdir(exist_ok=True)
    validation = assembly.dataset.validation
    record = RunRecord(RunFolder(path))
    return EpochLoop(config, assembly.engine, validation, record, View(), Interruption(), None)


def test_a_new_callback_acts_in_a_training_and_is_resumed(with_toy, tmp_path):
    from mlptrain.training import checkpoint

    config = with_toy()
    history = make_loop(config, tmp_path / "run").run().history
    assert [row["learning_rate"] for row in history] == [0.001, 0.0005]
    again = make_loop(config, tmp_path / "run")
    again.resume(checkpoint.load(RunFolder(tmp_path / "run"), config_hash(config)))
    assert again.run().history == history


def test_a_new_callback_is_switched_and_checked_like_the_others(with_toy):
    assert with_toy("callbacks.countdown=false").callbacks.countdown.enabled is False
    with pytest.raises(ConfigError) as refused:
        with_toy("callbacks.countdown.epochs=0")
    assert refused.value.expected == "callbacks.countdown.epochs: at least 1"
    with pytest.raises(ConfigError) as refused:
        with_toy("callbacks.countdown.epoch=1")
    assert "callbacks.countdown.epochs" in refused.value.action
    with pytest.raises(ConfigError) as refused:
        with_toy("callbacks.countdown=5")
    assert "callbacks.countdown.enabled" in refused.value.action


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_is_the_module_of_its_name(name):
    assert CALLBACKS[name].__module__ == f"mlptrain.callbacks.{name}"
