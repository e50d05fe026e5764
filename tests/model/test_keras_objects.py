import numpy as np
import pytest

from mlptrain.config.registry import ACTIVATIONS, INITIALIZERS, OPTIMIZERS

GRID = np.linspace(-4, 4, 33, dtype=np.float32)[None]


@pytest.fixture
def keras_optimizer(config):
    from mlptrain.model.keras_objects import make_optimizer

    return lambda *words: make_optimizer(config(*words).optimizer, clip_norm=None)


def gelu(x):
    from scipy.special import erf

    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "gelu": gelu,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "elu": lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)),
    "leaky_relu": lambda x, negative_slope: np.where(x > 0, x, negative_slope * x),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "linear": lambda x: x,
}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS | FORMULAS))
def test_every_activation_is_the_function_of_its_formula(config, name):
    from mlptrain.model.keras_objects import activation_layer

    node = config(f"activation={name}").activation
    result = np.asarray(activation_layer(node)(GRID))
    expected = FORMULAS[name](GRID.astype(np.float64), **node.parameters)
    np.testing.assert_allclose(result, expected, atol=2e-6)


def test_an_activations_parameters_reach_it(config):
    from mlptrain.model.keras_objects import activation_layer

    node = config("activation=leaky_relu", "activation.negative_slope=0.25").activation
    assert float(activation_layer(node)(np.float32([-4.0]))[0]) == -1.0


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_every_initializer_gives_the_same_values_for_the_same_seed(config, name):
    from mlptrain.model.keras_objects import initializer

    node = config(f"initializer={name}").initializer
    first, again, other = (np.asarray(initializer(node, seed)((64, 32))) for seed in (1, 1, 2))
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    assert (first == other).all() == (name == "zeros")


def test_he_and_glorot_have_their_variances(config):
    from mlptrain.model.keras_objects import initializer

    he, glorot = (
        np.asarray(initializer(config(f"initializer={name}").initializer, 0)((400, 200)))
        for name in ("he_normal", "glorot_uniform")
    )
    assert he.var() == pytest.approx(2 / 400, rel=0.03)
    assert glorot.var() == pytest.approx(2 / 600, rel=0.03)
    assert np.abs(glorot).max() <= np.sqrt(6 / 600)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_has_the_configs_parameters_and_takes_a_step_downhill(
    config, keras_optimizer, name
):
    import keras

    built = keras_optimizer(f"optimizer={name}")
    for key, value in config(f"optimizer={name}").optimizer.parameters.items():
        if key == "decay_kernels_only":  # ours, see below
            continue
        assert built.get_config()[key] == pytest.approx(value), key
    position = keras.Variable([2.0, -3.0])
    # Twice the position is the gradient of its square.
    built.apply([2 * position.value], [position])
    assert np.square(position.numpy()).sum() < 13.0


def test_clip_norm_bounds_the_norm_of_the_whole_gradient(config):
    import keras

    from mlptrain.model.keras_objects import make_optimizer

    node = config("optimizer=sgd", "optimizer.learning_rate=1", "optimizer.momentum=0").optimizer
    first, second = keras.Variable([0.0]), keras.Variable([0.0])
    make_optimizer(node, clip_norm=1.0).apply(
        [np.float32([30.0]), np.float32([-40.0])], [first, second]
    )
    np.testing.assert_allclose([first.numpy()[0], second.numpy()[0]], [-0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "lion"])
def test_decay_can_spare_biases_and_norms(keras_optimizer, name):
    import keras

    words = [f"optimizer={name}", "optimizer.weight_decay=0.5", "optimizer.learning_rate=0.1"]
    for word, spared in (("true", True), ("false", False)):
        built = keras_optimizer(*words, f"optimizer.decay_kernels_only={word}")
        variables = [
            keras.Variable([1.0], name=name) for name in ("kernel", "bias", "gamma", "beta")
        ]
        built.apply([np.float32([0.0])] * 4, variables)
        kernel, *others = [float(variable.numpy()[0]) for variable in variables]
        assert kernel == pytest.approx(0.95)
        assert others == [pytest.approx(1.0 if spared else 0.95)] * 3
