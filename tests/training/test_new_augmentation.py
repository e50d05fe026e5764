"""An augmentation is one module and one YAML file; here both come from outside the package."""

from pathlib import Path

import build_reference
import numpy as np
import pytest
from crafted import write_run
from toy_augmentation import posterize

from mlptrain.augmentations import AUGMENTATIONS
from mlptrain.config import compose as composing
from mlptrain.config import location
from mlptrain.config.identity import config_hash
from mlptrain.config.recipe import recipe_line
from mlptrain.config.settings import varying
from mlptrain.config.validation import validate
from mlptrain.errors import ConfigError
from mlptrain.store.runs import read_run
from mlptrain.sweeps.estimate import Estimator, FinishedRun, Speed

YAML = Path(posterize.__file__).with_name("posterize.yaml")
SMALL = ["data=cifar10_mini", "data.limit=100", "model.hidden=[8]"]
FLIPPED = composing.compose([*SMALL, "augmentation=flip"]).config


@pytest.fixture
def with_toy(add_choice):
    """`conf/` with one more file, and its module registered: overrides → the checked config."""
    add_choice("augmentation", AUGMENTATIONS, posterize.Settings, YAML)
    small = [*SMALL, "augmentation=[posterize,flip]"]
    return lambda *words: composing.compose([*small, *words]).config


def test_a_new_augmentation_trains_and_is_shown(with_toy):
    from mlptrain.training.assemble import assemble
    from mlptrain.training.augmentation import preview
    from mlptrain.training.engine import Totals

    config = with_toy("augmentation.posterize=7", "augmentation.flip=false")
    assembly = assemble(config)
    images = assembly.dataset.train.images[:40]
    shown = preview(images, config, np.ones(3072), 1)
    assert (shown <= images).all()
    shades = [len(np.unique(image)) for image in shown]
    assert min(shades) == 2  # zero and 128
    assert len({int(image[image > 0].min()) for image in shown}) > 3
    engine, before = assembly.engine, assembly.engine.weights()
    rates = np.full(2, 1e-3, np.float32)
    assert engine.train_steps(engine.start_epoch(1), rates, 0, 1, 0, Totals()).bad_step == -1
    assert all((old != new).any() for old, new in zip(before, engine.weights(), strict=True))


def test_a_new_augmentation_is_described_and_its_choice_is_listed(with_toy):
    assert "flip · posterize 5 · batch" in recipe_line(with_toy())
    assert "posterize" not in recipe_line(with_toy("augmentation.posterize=0"))
    assert "posterize" in location.choices("augmentation")
    assert location.description("augmentation", "posterize") == "fewer shades, at random"
    assert (
        "| `augmentation.posterize` | whole number ≥ 0 | `0` | "
        "most of the eight bits to clear; 0 is off |" in build_reference.config_page()
    )


@pytest.mark.parametrize(
    ("override", "expected", "action"),
    [
        ("augmentation.posterize=-1", "augmentation.posterize: at least 0", "correct the value"),
        ("augmentation.posterize=8", "augmentation.posterize: at most 7", "correct the value"),
        ("augmentation.posterise=1", "a key of augmentation", "augmentation.posterize"),
        ("augmentation=posterise", "augmentation to be one of", "augmentation=posterize"),
    ],
)
def test_keys_of_a_new_augmentation_are_checked(with_toy, override, expected, action):
    with pytest.raises(ConfigError) as refused:
        with_toy(override)
    assert expected in refused.value.expected
    assert action in refused.value.action


def test_identity_sees_a_new_augmentation_only_while_it_is_on(with_toy):
    assert config_hash(with_toy("augmentation.posterize=0")) == config_hash(FLIPPED)
    hashes = {config_hash(with_toy(f"augmentation.posterize={bits}")) for bits in (0, 1, 5)}
    assert len(hashes) == 3


def test_runs_from_before_it_existed_are_read_and_take_its_key(with_toy):
    earlier = FLIPPED.model_dump()
    assert "posterize" not in earlier["augmentation"]
    assert config_hash(validate(earlier)) == config_hash(FLIPPED)
    like = composing.compose(["augmentation.posterize=3"], base=earlier).config
    assert (like.augmentation.posterize, like.augmentation.flip) == (3, True)


def test_runs_from_before_it_existed_differ_from_later_ones_only_if_it_is_on(with_toy, tmp_path):
    configs = [FLIPPED, *(with_toy(f"augmentation.posterize={bits}") for bits in (0, 5))]
    folders = [tmp_path / name for name in ("earlier", "off", "on")]
    for folder, config in zip(folders, configs, strict=True):
        write_run(folder, config=config.model_dump())
    earlier, off, on = (read_run(folder).settings for folder in folders)
    assert varying([earlier, off]) == []
    assert varying([earlier, on]) == ["augmentation.posterize"]


def test_a_run_with_it_says_nothing_of_the_time_without_it(with_toy):
    speed = Speed(seconds_per_step=1, seconds_per_epoch=1, seconds_per_run=1, epochs=1,
                  peak_memory_mib=1)  # fmt: skip
    estimator = Estimator([FinishedRun(with_toy(), speed)])
    assert estimator.seconds(with_toy("augmentation.posterize=1")) is not None
    assert estimator.seconds(with_toy("augmentation.posterize=0")) is None


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_is_the_module_of_its_name(name):
    assert AUGMENTATIONS[name].__module__ == f"mlptrain.augmentations.{name}"


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_key_has_a_neutral_value_and_says_what_it_does(name):
    for field in AUGMENTATIONS[name].model_fields.values():
        assert not field.is_required()
        assert field.description
    assert not AUGMENTATIONS[name]().is_on
