"""A schedule is one entry and one YAML file; here both come from outside the package."""

from pathlib import Path

import build_reference
import pytest
from toy_schedule import sawtooth

from mlptrain.config import compose as composing
from mlptrain.config import location
from mlptrain.config.identity import config_hash
from mlptrain.config.recipe import recipe_line
from mlptrain.errors import ConfigError
from mlptrain.schedules import SCHEDULES, learning_rates
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.training.interruption import Interruption
from mlptrain.training.views.plain import View

YAML = Path(sawtooth.__file__).with_name("sawtooth.yaml")
SMALL = ["data=cifar10_mini", "data.limit=100", "model.hidden=[8]", "train.batch_size=30",
         "train.epochs=2", "callbacks=none"]  # fmt: skip


@pytest.fixture
def with_toy(add_choice):
    """`conf/` with one more file, and its entry registered: overrides → the checked config."""
    add_choice("schedule", SCHEDULES, sawtooth.SAWTOOTH, YAML)
    return lambda *words: composing.compose([*SMALL, "schedule=sawtooth", *words]).config


def test_a_new_schedule_sets_the_rate_of_every_step(with_toy, tmp_path):
    from mlptrain.training.assemble import assemble
    from mlptrain.training.loop import EpochLoop

    config = with_toy("schedule.teeth=2")
    expected = [0.001, 0.001 * 2 / 3, 0.001 / 3] * 2  # three steps in each epoch
    assert learning_rates(config.schedule, 0, 6, 6, 0.001) == pytest.approx(expected)
    assembly, record = assemble(config), RunRecord(RunFolder(tmp_path))
    validation = assembly.dataset.validation
    loop = EpochLoop(config, assembly.engine, validation, record, View(), Interruption(), None)
    history = loop.run().history
    assert [row["learning_rate"] for row in history] == pytest.approx([0.001 / 3] * 2)


def test_a_new_schedule_is_described_and_its_choice_is_listed(with_toy):
    assert "rmsprop 0.001 sawtooth" in recipe_line(with_toy())
    assert "sawtooth" in location.choices("schedule")
    assert location.description("schedule", "sawtooth") == "falls to zero and starts again"
    assert config_hash(with_toy()) != config_hash(with_toy("schedule.teeth=2"))
    row = "| `schedule=sawtooth` | `schedule.teeth` | whole number ≥ 1 | `3` |"
    assert row in build_reference.config_page()


@pytest.mark.parametrize(
    ("override", "expected", "action"),
    [
        ("schedule.teeth=0", "schedule.teeth: at least 1", "correct the value"),
        ("schedule.tooth=1", "a key of schedule=sawtooth: teeth", "schedule.teeth"),
        ("schedule.warmup=0.1", "a key of schedule=sawtooth: teeth", "schedule=constant"),
        ("schedule=sawtoth", "schedule to be one of", "schedule=sawtooth"),
    ],
)
def test_keys_of_a_new_schedule_are_checked(with_toy, override, expected, action):
    with pytest.raises(ConfigError) as refused:
        with_toy(override)
    assert expected in refused.value.expected
    assert action in refused.value.action
