import pytest

from mlptrain.config.compose import compose
from mlptrain.config.sizes import steps_per_epoch


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        ([], (45_000, 5_000, 10_000)),
        (["data=cifar10_mini"], (1_800, 200, 500)),
        (["data=cifar10_mini", "data.limit=400"], (360, 40, 400)),
        (["data=cifar10_mini", "data.limit=1000"], (900, 100, 500)),
        (["data.limit=100", "data.validation_fraction=0.29"], (71, 29, 100)),
        (["data.validation_fraction=0", "callbacks=none"], (50_000, 0, 10_000)),
        (["data.limit=65", "data.validation_fraction=0.001", "callbacks=none"], (65, 0, 65)),
    ],
)
def test_split_sizes_follow_from_the_config_alone(words, sizes):
    split = compose(words).config.data.split_sizes()
    assert (split["train"], split["validation"], split["test"]) == sizes


@pytest.mark.parametrize(
    ("batch_size", "steps"), [(64, 704), (45_000, 1), (44_999, 2), (1, 45_000), (100, 450)]
)
def test_the_last_batch_may_be_smaller(batch_size, steps):
    assert steps_per_epoch(compose([f"train.batch_size={batch_size}"]).config) == steps
