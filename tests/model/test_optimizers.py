"""Optimizers made from the config, on nets of a few units."""

import numpy as np
import pytest

from mlptrain.config.registry import OPTIMIZERS


@pytest.fixture
def network():
    """Two layers with batch norm between; every trained value is 1."""
    import keras

    keras.utils.clear_session()
    layers = [keras.Input((3,)), keras.layers.Dense(4, name="first"),
              keras.layers.BatchNormalization(), keras.layers.Dense(4, name="middle"),
              keras.layers.Dense(2, name="last")]  # fmt: skip
    made = keras.Sequential(layers)
    made = keras.Model(made.inputs, made.outputs)
    for variable in made.trainable_variables:
        variable.assign(np.ones(variable.shape))
    return made


@pytest.fixture
def optimizer(config, network):
    """Overrides → the optimizer of that network."""
    from mlptrain.model.optimizers import make_optimizer

    def made(*words):
        checked = config(*words)
        return make_optimizer(checked.optimizer, checked.regularization.clip_norm, network)

    return made


def values(network):
    return [np.asarray(variable) for variable in network.trainable_variables]


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_has_the_configs_parameters_and_takes_a_step_downhill(
    config, network, optimizer, name
):
    built = optimizer(f"optimizer={name}")
    for key, value in config(f"optimizer={name}").optimizer.parameters.items():
        if key != "decay_kernels_only":  # see below
            assert built.get_config()[key] == pytest.approx(value), key
    before = values(network)
    # Twice the values is the gradient of the sum of their squares.
    built.apply([2 * value for value in before], network.trainable_variables)
    for old, new in zip(before, values(network), strict=True):
        assert np.square(new).sum() < np.square(old).sum()


def test_clip_norm_bounds_the_norm_of_the_whole_gradient(network, optimizer):
    built = optimizer(
        "optimizer=sgd", "optimizer.learning_rate=1", "optimizer.momentum=0",
        "regularization.clip_norm=1",
    )  # fmt: skip
    built.apply([np.full_like(value, 30.0) for value in values(network)],
                network.trainable_variables)  # fmt: skip
    moved = np.concatenate([(value - 1).ravel() for value in values(network)])
    assert np.linalg.norm(moved) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    "name", [name for name, entry in OPTIMIZERS.items() if "weight_decay" in entry.parameters]
)
@pytest.mark.parametrize("spared", [True, False])
def test_decay_can_spare_biases_and_norms(network, optimizer, name, spared):
    words = [f"optimizer={name}", "optimizer.weight_decay=0.5", "optimizer.learning_rate=0.1"]
    built = optimizer(*words, f"optimizer.decay_kernels_only={str(spared).lower()}")
    built.apply([np.zeros_like(value) for value in values(network)], network.trainable_variables)
    for variable in network.trainable_variables:
        expected = 1.0 if spared and variable.name != "kernel" else 0.95
        np.testing.assert_allclose(np.asarray(variable), expected, rtol=1e-6)


def orthogonalized(optimizer):
    """The names of the kernels that Muon orthogonalizes: the others have a second moment."""
    names = {variable.name for variable in optimizer.variables}
    return {name.removesuffix("_kernel_momentum") for name in names
            if name.endswith("_kernel_momentum")
            and name.replace("momentum", "velocity") not in names}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "hidden"),
    [
        (["model.hidden=[8,7,6]"], {"dense_2", "dense_3"}),
        (["model.hidden=[8]"], set()),
        (["model=residual", "model.width=8", "model.blocks=2"],
         {"expand_1", "contract_1", "expand_2", "contract_2"}),
        (["model=residual", "model.width=8", "model.blocks=0"], set()),
    ],
)  # fmt: skip
def test_muon_orthogonalizes_the_kernels_between_the_first_and_the_last(config, words, hidden):
    from mlptrain.model.mlp import build_mlp
    from mlptrain.model.optimizers import make_optimizer

    checked = config("optimizer=muon", "data.scaling=zero_one", *words)
    mlp = build_mlp(checked, None)
    assert orthogonalized(make_optimizer(checked.optimizer, None, mlp.network)) == hidden


def test_in_a_net_with_branches_every_layer_that_sees_the_images_is_a_first_one(config):
    import keras

    from mlptrain.model.optimizers import make_optimizer

    dense = keras.layers.Dense
    images = keras.Input((6,))
    gated = keras.layers.Multiply()([dense(5, name="value")(images), dense(5, name="gate")(images)])
    inner = dense(5, name="inner")(gated)
    network = keras.Model(images, dense(2, name="scores")(keras.layers.Add()([gated, inner])))
    built = make_optimizer(config("optimizer=muon").optimizer, None, network)
    assert orthogonalized(built) == {"inner"}


def test_a_step_of_muon_is_orthogonal_and_as_large_as_adamws(network, optimizer):
    built = optimizer("optimizer=muon", "optimizer.learning_rate=0.5", "optimizer.weight_decay=0")
    generator = np.random.default_rng(0)
    gradients = [generator.standard_normal(value.shape) for value in values(network)]
    built.apply([g.astype(np.float32) for g in gradients], network.trainable_variables)
    step = 1 - np.asarray(network.get_layer("middle").kernel)
    # Five iterations bring the singular values to between 0.7 and 1.2.
    sizes = np.linalg.svd(step, compute_uv=False) / (0.5 * 0.2 * np.sqrt(4))
    assert ((sizes > 0.6) & (sizes < 1.3)).all()
    sign = np.sign(gradients[0])
    np.testing.assert_allclose(1 - np.asarray(network.get_layer("first").kernel), 0.5 * sign,
                               rtol=1e-4)  # fmt: skip


def test_schedule_free_adamw_takes_the_steps_of_its_authors_code(network, optimizer):
    """Algorithm 1 of Defazio et al., 2024, with the options of the package `schedule_free`."""
    decay, beta, beta_2, epsilon = 0.3, 0.8, 0.9, 1e-8
    built = optimizer(
        "optimizer=schedule_free_adamw", f"optimizer.weight_decay={decay}",
        f"optimizer.beta_1={beta}", f"optimizer.beta_2={beta_2}",
    )  # fmt: skip
    generator = np.random.default_rng(0)
    kernel = network.get_layer("middle").kernel
    x = z = y = np.ones((4, 4))
    v, highest, total = np.zeros((4, 4)), 0.0, 0.0
    for step, rate in enumerate([0.01, 0.02, 0.04, 0.04, 0.004], start=1):  # warm-up, reduction
        gradient = generator.standard_normal((4, 4))
        v = beta_2 * v + (1 - beta_2) * gradient**2
        update = gradient / (np.sqrt(v / (1 - beta_2**step)) + epsilon) + decay * y
        highest = max(highest, rate)
        total += highest**2
        z = z - rate * update
        x = x + highest**2 / total * (z - x)
        y = (1 - beta) * z + beta * x
        built.learning_rate.assign(rate)
        built.apply(
            [gradient.astype(np.float32) if variable is kernel else np.zeros_like(value)
             for variable, value in zip(network.trainable_variables, values(network), strict=True)],
            network.trainable_variables,
        )  # fmt: skip
        np.testing.assert_allclose(np.asarray(kernel), y, rtol=1e-4)
        np.testing.assert_allclose(np.asarray(built.averaged(kernel)), x, rtol=1e-4)


def test_adafactor_stays_finite_where_units_and_inputs_have_no_gradient(network, optimizer):
    built = optimizer("optimizer=adafactor")
    gradients = [np.ones_like(value) for value in values(network)]
    for gradient in gradients:
        gradient[0] = 0  # an input that is always zero
        gradient[..., 0] = 0  # a dead unit
    for _ in range(3):
        built.apply(gradients, network.trainable_variables)
    for value in values(network):
        assert np.isfinite(value).all()
