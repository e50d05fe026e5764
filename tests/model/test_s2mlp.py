"""Spatial-shift MLP: what it computes and counts, and which configs of it are refused."""

import numpy as np
import pytest

from mlptrain.config.compose import compose
from mlptrain.config.recipe import recipe_line
from mlptrain.config.sizes import parameter_count
from mlptrain.errors import ConfigError
from mlptrain.sweeps.estimate import work

SMALL = ["model=s2mlp", "model.patch=8", "model.widths=[8,16]", "model.depths=[1,2]"]
NEIGHBORS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def s2mlp(*words):
    return compose(["data=cifar10_mini", "model=s2mlp", *words]).config


@pytest.fixture
def build(config, statistics):
    from mlptrain.model.mlp import build_mlp

    return lambda *words: build_mlp(config(*SMALL, *words), statistics)


def test_it_says_its_stages_and_counts_each_use_of_a_weight():
    config = s2mlp("model.drop_path=0.1")
    line = recipe_line(config)
    assert line.startswith("s2mlp 2x64-4x128-2x256 relu he_normal")
    assert "patch 2 · expansion 2 · drop path 0.1" in line
    assert parameter_count(config) == 990_282
    assert 19 * work(compose(["data=cifar10_mini", "model=mlp"]).config) < work(config)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["model.patch=3"], "model.patch=3 choose model.patch=2"),
        (["model.patch=16"], "3 stages can halve 2 times model.patch=16 choose model.patch=8"),
        (["model.patch=64"], "choose model.patch=8"),
        (
            ["model.widths=[8,8,8,8,8,8,8]", "model.depths=[1,1,1,1,1,1,1]"],
            "name fewer model.widths and model.depths",
        ),
        (["model.widths=[64,128]"], "2 widths, 3 depths type model.widths=[64,128] with as many"),
        (["model.widths=[60,128,256]"], "multiples of 8"),
        (["model.widths=[]"], "model.widths"),
        (["model.depths=[2,0,2]"], "at least 1"),
        (["model.depths=[20,20,20]"], "123 layers a block has two: lower model.depths"),
        (["model.widths=[64,128,800000000]"], "GiB (model.patch=2 model.widths="),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_numbers(words, hint):
    with pytest.raises(ConfigError) as refused:
        s2mlp(*words)
    error = refused.value
    assert hint in f"{error.expected} {error.received} {error.action}"


def test_each_block_starts_as_the_identity(build):
    network = build("initializer=glorot_uniform").network
    contracting = [layer for layer in network.layers if layer.name.startswith("contract")]
    assert len(contracting) == 3
    assert not any(layer.get_weights()[0].any() for layer in contracting)


def test_it_computes_blocks_of_shifted_patches_and_merges_two_by_two(build):
    mlp = build("activation=tanh", "regularization=l2")
    network = mlp.network
    assert network.count_params() == parameter_count(s2mlp(*SMALL[1:]))
    assert len(mlp.penalized) == 2 + 2 * 3
    random = np.random.default_rng(0)
    network.set_weights([random.normal(size=w.shape) / 4 for w in network.get_weights()])
    images = random.normal(size=(3, 32, 32, 3)).astype(np.float32)

    def dense(name, x):
        kernel, bias = network.get_layer(name).get_weights()
        return x @ kernel + bias

    def shift(x):
        around = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        side, part = x.shape[1], x.shape[-1] // 8
        shifted = np.empty_like(x)
        for eighth, (row, column) in enumerate(NEIGHBORS):
            channels = slice(eighth * part, (eighth + 1) * part)
            moved = around[:, 1 + row : 1 + row + side, 1 + column : 1 + column + side]
            shifted[..., channels] = moved[..., channels]
        return shifted

    def block(number, x):
        inner = np.tanh(dense(f"expand_{number}", shift(x)))
        return x + dense(f"contract_{number}", shift(inner))

    def together(x, along, patch):
        squares = [
            x[:, row : row + patch, column : column + patch].reshape(len(x), -1)
            for row in range(0, along * patch, patch)
            for column in range(0, along * patch, patch)
        ]
        return np.stack(squares, axis=1).reshape(len(x), along, along, -1)

    x = block(1, dense("stem", together(images, 4, 8)))
    x = block(3, block(2, dense("merge_1", together(x, 2, 2))))
    expected = dense("logits", x.mean(axis=(1, 2)))
    np.testing.assert_allclose(network(images.reshape(3, -1)), expected, atol=1e-4)


def test_drop_path_skips_blocks_of_whole_images(build):
    network = build("model.drop_path=0.5").network
    drops = [layer for layer in network.layers if hasattr(layer, "seed_generator")]
    assert [layer.name for layer in drops] == ["drop_path_2", "drop_path_3"]
    mask = np.asarray(drops[1](np.ones((64, 4, 16), np.float32), training=True))
    assert (mask == mask[:, :1, :1]).all()
    assert set(np.unique(mask)) == {0, 2}


def test_drop_path_holds_for_a_single_block_too(build):
    network = build("model.widths=[8]", "model.depths=[1]", "model.drop_path=0.5").network
    drops = [layer.name for layer in network.layers if hasattr(layer, "seed_generator")]
    assert drops == ["drop_path_1"]
