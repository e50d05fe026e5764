"""The multilayer perceptron: one set of layers, seen as network, scorer and classifier."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from mlptrain.augmentations.augmentation import ScoringView
from mlptrain.config.schema import Config
from mlptrain.data.scaling import PixelStatistics
from mlptrain.model.keras_objects import activation_layer, initializer
from mlptrain.random_streams import Kind, stream_word


@dataclass(frozen=True)
class MLP:
    """Three views of the same layers and weights.

    Attributes:
        scaling: uint8 (n, features) → float32 of that shape; it has no counted parameters.
        network: scaled float32 (n, features) → logits float32 (n, classes).
        scorer: raw uint8 (n, side, side, 3) → logits float32 (n, classes), of the image, and of
            its mirror image with `augmentation.test_flip`.
        classifier: the same → probabilities: what `model.keras` holds. For CIFAR-10 side is 32,
            features 3,072 and classes 10.
        penalized: the kernels under the L1/L2 penalty, those of the hidden layers.
    """

    scaling: keras.layers.Layer
    network: keras.Model
    scorer: keras.Model
    classifier: keras.Model
    penalized: list[keras.Variable]


def build_mlp(config: Config, statistics: PixelStatistics | None) -> MLP:
    """Build the net of `config.model`.

    The output layer is always Glorot uniform without penalty. Each layer draws its weights from
    its own random stream, whatever the other layers are. Variables are float32; with
    `runtime.precision=mixed_bfloat16` the hidden layers compute in bfloat16.

    Args:
        config: the whole config.
        statistics: of the training split; needed for `data.scaling=standardize` only.
    """
    with _precision(config.runtime.precision):
        return _build(config, statistics)


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Give the layers that are made within Keras's dtype policy `policy`.

    It is set here, not once for the process, because `clear_session` silently resets it.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _build(config: Config, statistics: PixelStatistics | None) -> MLP:
    layers = _Layers(config)
    body = config.model.build(layers)
    pixels = keras.Input((config.data.features(),))
    network = keras.Model(pixels, body(pixels), name="network")
    scaling = _scaling_layer(config, statistics)
    images = keras.Input(config.data.image_shape(), dtype="uint8")
    flatten = keras.layers.Flatten(data_format="channels_last", dtype="float32")
    each = [body(scaling(flatten(view))) for view in _views(config, images)]
    logits = _logits_of_mean_probability(each) if len(each) > 1 else each[0]
    scorer = keras.Model(images, logits, name="scorer")
    softmax = keras.layers.Softmax(dtype="float32", name="probabilities")
    classifier = keras.Model(images, softmax(logits), name="mlp")
    return MLP(scaling, network, scorer, classifier, [dense.kernel for dense in layers.hidden])


def _views(config: Config, images: Any) -> Iterator[Any]:
    """Yield the images, then what the augmentations of scores make of them."""
    yield images
    for augmentation in config.active_augmentations().values():
        if isinstance(augmentation, ScoringView):
            yield augmentation.view(images)


def _logits_of_mean_probability(views: list[Any]) -> Any:
    """Return logits whose softmax is the mean of the views' probabilities, (n, classes)."""
    logarithms = [keras.ops.log_softmax(logits, axis=-1) for logits in views]
    return keras.ops.logsumexp(keras.ops.stack(logarithms), axis=0)


class _Layers:
    """The `LayerMaker` of a config; keeps the hidden Dense layers, which alone are penalized."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.features = config.data.features()
        regularization = config.regularization
        is_penalized = regularization.l1 or regularization.l2
        self._penalty = (
            keras.regularizers.L1L2(regularization.l1, regularization.l2) if is_penalized else None
        )
        limit = regularization.max_norm
        self._limit = None if limit is None else keras.constraints.MaxNorm(limit, axis=0)
        self.hidden: list[keras.layers.Dense] = []
        self._dropouts = 0

    def dense(self, width: int, name: str, *, zeros: bool = False) -> keras.layers.Dense:
        start = initializer(self._config.initializer, self._weights_word())
        layer = keras.layers.Dense(
            width,
            kernel_initializer=keras.initializers.Zeros() if zeros else start,
            kernel_regularizer=self._penalty,
            kernel_constraint=self._limit,
            name=name,
        )
        self.hidden.append(layer)
        return layer

    def activation(self) -> keras.layers.Layer:
        return activation_layer(self._config.activation)

    def dropout(
        self, rate: float, name: str, mask: tuple[int | None, ...] | None = None
    ) -> keras.layers.Dropout:
        seed = stream_word(self._config.seed, Kind.DROPOUT, self._dropouts)
        self._dropouts += 1
        return keras.layers.Dropout(rate, noise_shape=mask, seed=seed, name=name)

    def logits(self) -> keras.layers.Dense:
        return keras.layers.Dense(
            len(self._config.data.class_names()),
            kernel_initializer=keras.initializers.GlorotUniform(seed=self._weights_word()),
            dtype="float32",  # logits keep full precision under mixed_bfloat16
            name="logits",
        )

    def _weights_word(self) -> int:
        return stream_word(self._config.seed, Kind.WEIGHTS, len(self.hidden))


def _scaling_layer(config: Config, statistics: PixelStatistics | None) -> keras.layers.Layer:
    if config.data.scaling == "minus_one_one":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="scaling")
    if config.data.scaling == "zero_one":
        return keras.layers.Rescaling(1 / 255, dtype="float32", name="scaling")
    assert statistics is not None
    # Constants given here are part of the layer's config: no variables, nothing to count.
    return keras.layers.Normalization(
        axis=-1,
        mean=statistics.mean.astype("float32"),
        variance=statistics.variance.astype("float32"),
        dtype="float32",
        name="scaling",
    )


def layer_table(network: keras.Model) -> list[tuple[str, str, int]]:
    """Return (name, output shape, parameters) of each layer, for the start panel."""
    return [
        (layer.name, ", ".join(str(n) for n in layer.output.shape[1:]), layer.count_params())
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
