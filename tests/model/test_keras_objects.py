import numpy as np
import pytest

from mlptrain.config.registry import ACTIVATIONS, INITIALIZERS

GRID = np.linspace(-4, 4, 33, dtype=np.float32)[None]


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
