"""What is measured inside the net, and that measuring changes nothing."""

import csv
import shutil

import numpy as np
import pytest

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.store.layers import NETWORK
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.training.interruption import Interruption
from mlptrain.training.views.plain import View

SMALL = ["data=cifar10_mini", "data.limit=120", "train.batch_size=32", "callbacks=none"]
PLAIN = ["model=baseline", "model.hidden=[8,6]", "regularization=none"]


def assembled(*words):
    from mlptrain.training.assemble import assemble

    return assemble(compose([*SMALL, *words]).config)


def instruments(assembly, steps=4):
    from mlptrain.training.instruments import Instruments

    return Instruments(assembly.mlp, assembly.dataset.validation, steps)


def by_layer(rows):
    return {row["layer"]: row for row in rows}


def set_kernel(assembly, name, kernel):
    layer = assembly.mlp.network.get_layer(name)
    layer.set_weights([kernel, layer.get_weights()[1]])


MIXER = [
    "model=mixer", "model.patch=16", "model.width=4", "model.depth=1", "model.token_width=4",
    "model.channel_width=4", "model.drop_path=0.5", "augmentation=[flip,cutmix]",
]  # fmt: skip


@pytest.mark.parametrize("words", [["model.hidden=[8]"], MIXER])
def test_history_weights_and_layers_are_the_same_whether_measured_resumed_or_neither(
    tmp_path, words
):
    from mlptrain.training import checkpoint
    from mlptrain.training.instruments import LayerLog
    from mlptrain.training.loop import EpochLoop

    words = [*words, "train.epochs=3", "train.ema=0.9"]
    config, assembly = compose([*SMALL, *words]).config, assembled(*words)
    engine, dataset = assembly.engine, assembly.dataset
    first = engine.weights(), engine.optimizer_state(), engine.average.state()

    def trained(name, log, at_epoch=lambda row, best: None, resumed=False):
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir(exist_ok=True)
        view = View()
        view.epoch_done = at_epoch
        layer_log = LayerLog.make(config, assembly.mlp, dataset, folder) if log else None
        loop = EpochLoop(
            config, engine, dataset.validation, RunRecord(folder), view, Interruption(), None,
            layer_log,
        )  # fmt: skip
        if resumed:
            loop.resume(checkpoint.load(folder, config_hash(config)))
        else:
            engine.set_weights(first[0])
            engine.set_optimizer_state(first[1])
            engine.average.restore(first[2])
        history = loop.run().history
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
        return rows, engine.weights(), folder.file("layers.csv")

    def keep(row, best):  # as a kill right after the first epoch leaves the folder
        if row["epoch"] == 1:
            shutil.copytree(tmp_path / "on", tmp_path / "killed")

    off = trained("off", False)
    on = trained("on", True, keep)
    # Killed between the measurement of an epoch and its checkpoint.
    (tmp_path / "killed" / "layers.csv").write_text(on[2].read_text())
    resumed = trained("killed", True, resumed=True)
    assert not off[2].exists()
    assert on[0] == off[0] == resumed[0]
    for others in (off[1], resumed[1]):
        for mine, other in zip(on[1], others, strict=True):
            np.testing.assert_array_equal(mine, other)
    assert on[2].read_text() == resumed[2].read_text()
    with on[2].open() as stream:
        rows = [(int(row["epoch"]), row["layer"]) for row in csv.DictReader(stream)]
    layers = [layer.name for layer in assembly.mlp.network.layers if hasattr(layer, "kernel")]
    assert rows == [(e, layer) for e in range(4) for layer in (*layers, NETWORK)]


def test_the_figures_are_those_of_their_definitions():
    import keras
    import tensorflow as tf

    assembly = assembled(*PLAIN)
    probe = instruments(assembly)
    network, split = assembly.mlp.network, assembly.dataset.validation
    rows = by_layer(probe.measure(0))
    x = assembly.mlp.scaling(split.images.reshape(len(split), -1).astype("float32"))
    with tf.GradientTape() as tape:
        logits = network(x)
        loss = keras.losses.sparse_categorical_crossentropy(split.labels, logits, from_logits=True)
        loss = tf.reduce_mean(loss)
    gradients = tape.gradient(loss, [layer.kernel.value for layer in network.layers[1::2]])
    for name, gradient in zip(("dense_1", "dense_2", "logits"), gradients, strict=True):
        assert rows[name]["gradient_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
    kernel, bias = network.get_layer("dense_1").get_weights()
    preactivation = np.asarray(x) @ kernel + bias
    activations = np.maximum(preactivation, 0)
    first = rows["dense_1"]
    assert first["units"] == 8
    assert first["activation_mean"] == pytest.approx(activations.mean(), rel=1e-4)
    assert first["activation_sd"] == pytest.approx(activations.std(), rel=1e-4)
    assert first["saturated_share"] == pytest.approx((preactivation <= 0).mean(), abs=1e-6)
    assert first["kernel_norm"] == pytest.approx(np.linalg.norm(kernel), rel=1e-5)
    values = np.linalg.eigvalsh(np.cov(activations.T))
    assert first["effective_rank"] == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-3)
    probabilities = np.asarray(tf.nn.softmax(logits))
    net = rows[NETWORK]
    assert net["probe_loss"] == pytest.approx(float(loss), rel=1e-5)
    assert net["confidence"] == pytest.approx(probabilities.max(axis=1).mean(), rel=1e-5)
    right = probabilities.argmax(axis=1) == split.labels
    assert net["probe_accuracy"] == pytest.approx(right.mean())
    assert -1 <= net["gradient_cosine"] <= 1
    assert rows["dense_1"]["update_ratio"] is None

    set_kernel(assembly, "dense_1", kernel * 1.25)
    after = by_layer(probe.measure(1))
    assert after["dense_1"]["update_ratio"] == pytest.approx(0.2 / 4, rel=1e-4)
    assert after["dense_2"]["update_ratio"] == 0


def test_units_with_the_same_weights_up_to_their_scale_are_duplicates():
    assembly = assembled(*PLAIN)
    kernel = assembly.mlp.network.get_layer("dense_1").get_weights()[0]
    kernel[:, 1], kernel[:, 2], kernel[:, 3] = kernel[:, 0] * 3, 0, 0
    kernel[:, 4] = -kernel[:, 5]
    set_kernel(assembly, "dense_1", kernel)
    assert by_layer(instruments(assembly).measure(0))["dense_1"]["duplicate_share"] == 0.5


DEAD_BELOW = {"relu", "relu6", "elu", "selu", "gelu", "silu", "mish", "softplus", "hard_silu"}
BOUNDED = {"tanh", "sigmoid", "softsign", "hard_sigmoid"}


@pytest.mark.parametrize("activation", [*sorted(DEAD_BELOW | BOUNDED), "leaky_relu", "linear"])
def test_dead_and_saturated_are_defined_by_the_derivative_of_any_activation(activation):
    assembly = assembled(*PLAIN, f"activation={activation}")
    layer = assembly.mlp.network.get_layer("dense_1")

    def shares(bias):
        layer.set_weights([np.zeros_like(layer.kernel), np.full(8, bias, "float32")])
        row = by_layer(instruments(assembly).measure(0))["dense_1"]
        return row["dead_share"], row["saturated_share"]

    assert shares(0.5) == (0, 0)
    has_slope = {"leaky_relu": (0, 1), "linear": (0, 0)}  # the slope of leaky_relu is 1 % there
    assert shares(-1e4) == has_slope.get(activation, (1, 1))
    if activation in BOUNDED:  # about 1 % of the largest derivative: saturated, but not dead
        bias = {"tanh": 3, "sigmoid": 6, "softsign": 9, "hard_sigmoid": 4}[activation]
        assert shares(bias) == (activation == "hard_sigmoid", 1)


def test_the_layers_of_a_residual_net_in_bfloat16_are_all_measured():
    assembly = assembled(
        "model=residual", "model.width=8", "model.blocks=2", "runtime.precision=mixed_bfloat16"
    )
    rows = by_layer(instruments(assembly).measure(0))
    names = ["stem", "expand_1", "contract_1", "expand_2", "contract_2", "logits"]
    assert list(rows) == [*names, NETWORK]
    for name in names:
        has_activation = name.startswith("expand")
        assert (rows[name]["dead_share"] is not None) == has_activation
        assert rows[name]["gradient_norm"] > 0
