"""MLP-Mixer: what it computes, counts and draws, and which configs of it are refused."""

import numpy as np
import pytest

from mlptrain.config.compose import compose
from mlptrain.config.recipe import recipe_line
from mlptrain.config.sizes import parameter_count, scoring_batch
from mlptrain.errors import ConfigError
from mlptrain.sweeps.estimate import Estimator, work

SMALL = ["model=mixer", "model.patch=8", "model.width=6", "model.depth=2",
         "model.token_width=5", "model.channel_width=7"]  # fmt: skip


def mixer(*words):
    return compose(["data=cifar10_mini", "model=mixer", *words]).config


@pytest.fixture
def build(config, statistics):
    from mlptrain.model.mlp import build_mlp

    return lambda *words: build_mlp(config(*SMALL, *words), statistics)


def test_the_default_is_mixer_nano():
    config = mixer()
    assert recipe_line(config).startswith("mixer 8x128 relu he_normal")
    assert parameter_count(config) == 1_132_170
    swapped = mixer("model.token_width=512", "model.channel_width=64", "model.drop_path=0.1")
    assert parameter_count(swapped) == 673_418
    assert "patch 4 · token 512 · channel 64 · drop path 0.1" in recipe_line(swapped)


def test_shared_weights_cost_time_and_memory_for_each_use():
    flat, shared = compose(["data=cifar10_mini", "model=mlp"]).config, mixer()
    assert parameter_count(shared) < parameter_count(flat)
    assert 40 * work(flat) < work(shared) < 50 * work(flat)
    small, large = (
        Estimator([]).memory_mib(mixer(f"train.batch_size={size}")) for size in (64, 128)
    )
    # At least both sides of the activation of each block, in float32.
    assert large - small > 64 * 8 * 2 * 64 * 512 * 4 / 2**20
    assert scoring_batch(flat) == 1_000 > scoring_batch(shared) >= 64


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (
            ["model.patch=5"],
            "1, 2, 4, 8, 16, 32 model.patch=5, which leaves 2 pixels over choose model.patch=4",
        ),
        (["model.patch=64"], "model.patch=32"),
        (["model.depth=0"], "model.depth: at least 1"),
        (["model.depth=25"], "101 layers a block has four: lower model.depth"),
        (["model.drop_path=1.5"], "model.drop_path: less than 1"),
        (["model.drop_path=-0.1"], "model.drop_path: at least 0"),
        (["model.width=1000000000"], "GiB (model.patch=4 model.width=1000000000"),
        (["train.batch_size=300", "model.channel_width=100000000"], "batches of 300"),
        (["model.hidden=[64]"], "model.hidden"),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_numbers(words, hint):
    with pytest.raises(ConfigError) as refused:
        mixer(*words)
    error = refused.value
    assert hint in f"{error.expected} {error.received} {error.action}"


def test_weights_that_no_memory_holds_are_refused_in_every_family():
    for words in (
        ["model=mlp", "model.hidden=[999999999]"],
        ["model=residual", "model.width=9999999"],
    ):
        with pytest.raises(ConfigError, match="parameters and batches of 64"):
            compose(["data=cifar10_mini", *words])


def test_it_mixes_over_patches_then_over_channels(build):
    mlp = build("activation=tanh", "regularization=l2")
    network = mlp.network
    assert network.count_params() == parameter_count(mixer(*SMALL[1:]))
    assert len(mlp.penalized) == 1 + 4 * 2
    images = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)

    def dense(name, x):
        kernel, bias = network.get_layer(name).get_weights()
        return x @ kernel + bias

    def norm(name, x):
        gamma, beta = network.get_layer(name).get_weights()
        spread = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-6)
        return gamma * (x - x.mean(axis=-1, keepdims=True)) / spread + beta

    def mix(axis, x):
        return dense(f"{axis}_out_{block}", np.tanh(dense(f"{axis}_in_{block}", x)))

    patches = [
        images[:, row : row + 8, column : column + 8].reshape(3, -1)
        for row in range(0, 32, 8)
        for column in range(0, 32, 8)
    ]
    x = dense("stem", np.stack(patches, axis=1))
    for block in (1, 2):
        tokens = norm(f"token_norm_{block}", x).swapaxes(1, 2)
        x = x + mix("token", tokens).swapaxes(1, 2)
        x = x + mix("channel", norm(f"channel_norm_{block}", x))
    expected = dense("logits", norm("norm", x).mean(axis=1))
    np.testing.assert_allclose(network(images.reshape(3, -1)), expected, atol=1e-4)


def test_drop_path_skips_whole_branches_of_single_images_in_streams_of_their_own(build):
    network = build("model.drop_path=0.5").network
    drops = [layer for layer in network.layers if hasattr(layer, "seed_generator")]
    assert [layer.name for layer in drops] == ["token_drop_path_2", "channel_drop_path_2"]
    values = np.ones((64, 16, 6), np.float32)
    masks = [np.asarray(layer(values, training=True)) for layer in (*drops, drops[0])]
    for mask in masks:
        assert (mask == mask[:, :1, :1]).all()
        assert set(np.unique(mask)) == {0, 2}
    assert (masks[0] != masks[1]).any()
    assert (masks[0] != masks[2]).any()
    kernels = [
        layer.get_weights()[0]
        for layer in network.layers
        if layer.name[:5] == "token" and hasattr(layer, "kernel")
    ]
    assert (kernels[0] != kernels[2]).all()


def test_in_bfloat16_all_but_the_mean_and_the_logits_are_computed_in_it(build):
    network = build("runtime.precision=mixed_bfloat16").network
    exact = [layer.name for layer in network.layers[1:] if layer.compute_dtype == "float32"]
    assert exact == ["mean", "logits"]
