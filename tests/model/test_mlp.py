import numpy as np
import pytest

from mlptrain.config.sizes import parameter_count
from mlptrain.data.mini import load_mini


@pytest.fixture
def build(config, statistics):
    from mlptrain.model.mlp import build_mlp

    return lambda *words: build_mlp(config(*words), statistics)


def kinds(network):
    names = [type(layer).__name__ for layer in network.layers]
    return [name for name in names if name != "InputLayer"]


def test_the_final_recipe_has_as_many_parameters_as_the_study(build):
    mlp = build()
    assert mlp.network.count_params() == 1_750_346
    assert mlp.classifier.count_params() == 1_750_346


def test_the_baseline_has_about_100k_parameters(build):
    assert build("model=baseline").network.count_params() == 98_666


def test_layers_are_in_the_order_of_the_study(build):
    hidden = ["Dense", "Activation", "BatchNormalization", "Dropout"]
    mlp = build()
    assert kinds(mlp.network) == [*hidden * 4, "Dense"]
    assert kinds(mlp.classifier) == ["Flatten", "Normalization", *hidden * 4, "Dense", "Softmax"]
    widths = [layer.units for layer in mlp.network.layers if hasattr(layer, "units")]
    assert widths == [512, 256, 128, 64, 10]


def test_batch_norm_and_dropout_can_each_be_left_out(build):
    plain = build("model.hidden=[8]", "model.batch_norm=false", "model.dropout=0")
    assert kinds(plain.network) == ["Dense", "Activation", "Dense"]
    with_dropout = build("model.hidden=[8]", "model.batch_norm=false", "model.dropout=0.5")
    assert kinds(with_dropout.network) == ["Dense", "Activation", "Dropout", "Dense"]
    assert with_dropout.network.get_layer("dropout_1").rate == 0.5


def test_the_output_layer_is_glorot_uniform_without_penalty(build):
    mlp = build("initializer=he_normal", "regularization=l1l2", "regularization.max_norm=0.1")
    logits = mlp.network.layers[-1]
    assert type(logits.kernel_initializer).__name__ == "GlorotUniform"
    assert logits.kernel_regularizer is None
    assert logits.kernel_constraint is None
    assert logits.activation.__name__ == "linear"
    bound = np.sqrt(6 / (64 + 10))
    assert 0.95 * bound < np.abs(logits.kernel.numpy()).max() <= bound


def test_only_hidden_kernels_are_penalized(build):
    mlp = build("model.hidden=[8,4]", "regularization=l1l2")
    kernels = [layer.kernel for layer in mlp.network.layers[:-1] if hasattr(layer, "kernel")]
    assert [id(kernel) for kernel in mlp.penalized] == [id(kernel) for kernel in kernels]
    expected = sum(
        1e-5 * np.abs(kernel.numpy()).sum() + 1e-4 * np.square(kernel.numpy()).sum()
        for kernel in kernels
    )
    assert float(sum(mlp.network.losses)) == pytest.approx(expected, rel=1e-5)
    assert len(mlp.network.losses) == 2


def test_the_hidden_kernels_follow_the_initializer(build):
    first = build().network.get_layer("dense_1")
    assert type(first.kernel_initializer).__name__ == "HeNormal"
    assert first.kernel.numpy().std() == pytest.approx(np.sqrt(2 / 3072), rel=0.01)


def test_the_same_seed_builds_the_same_weights_and_another_seed_different_ones(build):
    def weights(seed):
        arrays = build("model.hidden=[8,8]", seed).network.get_weights()
        return np.concatenate([array.ravel() for array in arrays])

    np.testing.assert_array_equal(weights("seed=1"), weights("seed=1"))
    assert (weights("seed=1") != weights("seed=2")).any()


def test_layers_of_one_width_start_with_different_weights(build):
    network = build("model.hidden=[16,16,16]").network
    kernels = [layer.kernel.numpy() for layer in network.layers if hasattr(layer, "kernel")]
    assert kernels[1].shape == kernels[2].shape
    assert (kernels[1] != kernels[2]).all()


@pytest.mark.parametrize("scaling", ["standardize", "minus_one_one", "zero_one"])
def test_the_classifier_on_raw_images_is_the_network_on_scaled_ones(build, statistics, scaling):
    images = load_mini().test_images[:64]
    mlp = build("model.hidden=[32]", f"data.scaling={scaling}")
    rows = images.reshape(64, -1).astype(np.float64)
    scaled = {
        "standardize": (rows - statistics.mean) / np.sqrt(statistics.variance),
        "minus_one_one": rows / 127.5 - 1,
        "zero_one": rows / 255,
    }[scaling]
    logits = np.asarray(mlp.network(scaled.astype(np.float32)), np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predicted = np.asarray(mlp.classifier(images))
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, expected, atol=1e-5)


def test_scaling_a_flattened_image_is_the_same_as_scaling_it_inside_the_classifier(build):
    images = load_mini().test_images[:8]
    mlp = build("model.hidden=[8]")
    flat = np.asarray(mlp.scaling(images.reshape(8, -1)))
    assert flat.dtype == np.float32
    np.testing.assert_allclose(flat.std(), 1.0, atol=0.2)


def test_the_layer_table_adds_up(build):
    from mlptrain.model.mlp import layer_table

    network = build().network
    rows = layer_table(network)
    assert rows[0] == ("dense_1", "512", 3072 * 512 + 512)
    assert rows[-1][:2] == ("logits", "10")
    assert sum(parameters for _, _, parameters in rows) == network.count_params()


@pytest.mark.parametrize("model", ["mlp", "baseline", "shallow", "deep", "wide", "residual"])
def test_every_model_ends_in_ten_logits(build, model):
    network = build(f"model={model}", "initializer=zeros").network
    assert network.output_shape == (None, 10)
    assert network.layers[-1].dtype_policy.name == "float32"


@pytest.mark.parametrize(
    "words",
    [
        ["model=deep"],
        ["model=wide", "model.batch_norm=false"],
        ["model=residual"],
        ["model=residual", "model.width=8", "model.blocks=3", "model.expansion=4"],
        ["model=residual", "model.width=8", "model.blocks=0"],
    ],
)
def test_the_count_from_the_config_is_what_keras_counts(build, config, words):
    assert build(*words).network.count_params() == parameter_count(config(*words))


SMALL = ["model=residual", "model.width=6", "model.blocks=2", "activation=tanh"]


def test_a_residual_net_adds_each_bottleneck_to_its_input(build):
    network = build(*SMALL).network
    inputs = np.random.default_rng(0).normal(size=(5, 3072)).astype(np.float32)

    def dense(name, x):
        kernel, bias = network.get_layer(name).get_weights()
        return x @ kernel + bias

    def norm(name, x):
        gamma, beta = network.get_layer(name).get_weights()
        centred = x - x.mean(axis=1, keepdims=True)
        return gamma * centred / np.sqrt(x.var(axis=1, keepdims=True) + 1e-3) + beta

    x = dense("stem", inputs)
    for block in (1, 2):
        inner = np.tanh(dense(f"expand_{block}", norm(f"norm_{block}", x)))
        x = x + dense(f"contract_{block}", inner)
    expected = dense("logits", norm("norm", x))
    np.testing.assert_allclose(np.asarray(network(inputs)), expected, atol=1e-4)


def test_all_layers_of_a_residual_net_but_the_last_are_penalized(build):
    mlp = build(*SMALL, "regularization=l2")
    names = ["stem", "expand_1", "contract_1", "expand_2", "contract_2"]
    kernels = [mlp.network.get_layer(name).kernel for name in names]
    assert [id(kernel) for kernel in mlp.penalized] == [id(kernel) for kernel in kernels]


@pytest.mark.parametrize("words", [["model.hidden=[8]"], SMALL])
def test_with_test_flip_the_classifier_averages_the_image_and_its_mirror(build, words):
    images = load_mini().test_images[:16]
    plain, mirrored = build(*words), build(*words, "augmentation.test_flip=true")
    both = (np.asarray(plain.classifier(images)), np.asarray(plain.classifier(images[:, :, ::-1])))
    np.testing.assert_allclose(np.asarray(mirrored.classifier(images)), sum(both) / 2, atol=1e-6)


@pytest.mark.parametrize("words", [["model.hidden=[8,8]"], SMALL])
def test_precision_applies_to_the_hidden_layers_only(build, words):
    import keras

    before = keras.config.dtype_policy().name
    keras.backend.clear_session()  # as a run does between setting up the process and this
    mlp = build(*words, "runtime.precision=mixed_bfloat16")
    by_name = {layer.name: layer for layer in mlp.network.layers[1:]}
    logits = by_name.pop("logits")
    assert {layer.compute_dtype for layer in by_name.values()} == {"bfloat16"}
    assert (logits.compute_dtype, mlp.scaling.compute_dtype) == ("float32", "float32")
    assert {str(variable.dtype) for variable in mlp.network.weights} == {"float32"}
    assert keras.config.dtype_policy().name == before
