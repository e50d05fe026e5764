"""Instruments: measure inside the net after each epoch, without touching its training.

The measurements are those of Cockpit (Schneider et al., 2021), SageMaker Debugger's rules and
DeepDiagnosis (Wardat et al., 2022), defined through the derivative of the activation so that they
mean the same for every activation. Everything runs eagerly on a few hundred fixed images, without
dropout and without a draw from any random stream: it costs less than tracing a graph would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mlptrain.config.schema import Config
from mlptrain.config.sizes import steps_per_epoch
from mlptrain.data.dataset import Dataset, Split
from mlptrain.errors import RunFolderError
from mlptrain.model.mlp import MLP
from mlptrain.store import names
from mlptrain.store.layers import NETWORK, Row, fits, header, layers_text, lines_until
from mlptrain.store.reading import read_text
from mlptrain.store.run_folder import RunFolder

PROBE_IMAGES = 256
"""As in Cockpit, a batch: the cost of four steps of the study's net, whose epoch has 704."""

SATURATED = 0.05
"""A derivative below this share of the activation's largest one is saturated."""

_ZERO = 1e-6
"""A derivative below this share of the largest is zero: smooth activations only approach zero."""

_DUPLICATE = 0.999
"""Units whose weights have at least this cosine compute the same thing, up to their scale."""

_PROJECTED = 32
_COMPARED_UNITS = 1_024
_BINS = 10


@dataclass(frozen=True)
class _Measured:
    """A layer with a kernel, and the activation that follows it, if one does."""

    layer: keras.layers.Layer
    activation: keras.layers.Layer | None
    largest_derivative: float


class Instruments:
    """Measures one net on fixed images.

    Args:
        mlp: the net; it is only read.
        images: validation images, or training images where there are none, uint8
            (n, side, side, 3), labels uint8 (n,). At most `PROBE_IMAGES` are used.
        steps: of an epoch, for the update ratio.
    """

    def __init__(self, mlp: MLP, images: Split, steps: int) -> None:
        self._layers = _measured_layers(mlp.network)
        self._steps = steps
        raw = images.images[:PROBE_IMAGES]
        self._inputs = mlp.scaling(tf.constant(raw.reshape(len(raw), -1)))
        self._labels = tf.constant(images.labels[:PROBE_IMAGES].astype(np.int32))
        outputs = [mlp.network.output, *(item.layer.output for item in self._layers)]
        self._net = keras.Model(mlp.network.input, outputs, name="instruments")
        self._kernels = [item.layer.kernel for item in self._layers]
        self._before: list[Any] = []

    def remember(self) -> None:
        """Take the kernels as they are now for those of the end of the epoch before."""
        self._before = [tf.identity(kernel.value) for kernel in self._kernels]

    def measure(self, epoch: int) -> list[Row]:
        """Return the rows of `layers.csv` for the weights as they are, then remember those.

        Args:
            epoch: the one that has just ended, from 1; 0 before the first step.
        """
        with np.errstate(all="ignore"):  # nothing that a net can hold may end its training
            return self._rows(epoch)

    def _rows(self, epoch: int) -> list[Row]:
        middle = len(self._labels) // 2
        halves = [part for part in (slice(0, middle), slice(middle, None)) if self._size(part)]
        weights = np.array([self._size(part) for part in halves]) / len(self._labels)
        results = [self._forward_and_back(part) for part in halves]
        logits = tf.concat([result[0] for result in results], 0)
        products = [_dot_products([r[2][i] for r in results]) for i in range(len(self._layers))]
        rows: list[Row] = []
        for index, item in enumerate(self._layers):
            preactivation = tf.concat([result[1][index] for result in results], 0)
            rows.append(
                {
                    "epoch": epoch,
                    "layer": item.layer.name,
                    **_of_activations(item, preactivation),
                    # Of the whole probe's gradient, the weighted sum of those of the halves.
                    "gradient_norm": _root(weights @ products[index] @ weights),
                    **self._of_kernel(index),
                }
            )
        cosine = _cosine(np.sum(products, axis=0)) if len(results) == 2 else None
        network: Row = {"epoch": epoch, "layer": NETWORK, "gradient_cosine": cosine}
        self.remember()
        predictions = _of_predictions(logits.numpy(), self._labels.numpy())
        return [*rows, {**network, **predictions}]

    def _size(self, part: slice) -> int:
        return len(range(*part.indices(len(self._labels))))

    def _forward_and_back(self, part: slice) -> tuple[Any, list[Any], list[Any]]:
        """Return logits, each layer's output, and the gradient by each kernel.

        An output is (n, units), or (n * uses, units) of a layer that is used many times an image.
        """
        values = [kernel.value for kernel in self._kernels]
        with tf.GradientTape() as tape:
            logits, *outputs = self._net(self._inputs[part], training=False)
            losses = keras.losses.sparse_categorical_crossentropy(
                self._labels[part], logits, from_logits=True
            )
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, values, unconnected_gradients="zero")
        rows = [tf.reshape(output, (-1, output.shape[-1])) for output in outputs]
        return logits, [tf.cast(row, tf.float32) for row in rows], gradients

    def _of_kernel(self, index: int) -> dict[str, float | int | None]:
        kernel = np.asarray(self._kernels[index].value)
        norm = _norm(kernel)
        ratio = None
        if self._before and norm > 0:
            ratio = _norm(kernel - np.asarray(self._before[index])) / norm / self._steps
        return {
            "kernel_norm": norm,
            "kernel_size": int(np.prod(kernel.shape)),
            "update_ratio": ratio,
            "duplicate_share": _duplicate_share(kernel),
        }


class LayerLog:
    """Keeps `layers.csv` of a run, so that a resumed run continues it.

    Args:
        instruments: of the run's net.
        folder: of the run.
    """

    def __init__(self, instruments: Instruments, folder: RunFolder) -> None:
        self._instruments = instruments
        self._folder = folder
        self._text = header()

    @classmethod
    def make(cls, config: Config, mlp: MLP, dataset: Dataset, folder: RunFolder) -> LayerLog | None:
        """Return the log of a run; None with `instruments=off`."""
        if config.instruments == "off":
            return None
        images = dataset.validation if len(dataset.validation) else dataset.train
        return cls(Instruments(mlp, images, steps_per_epoch(config)), folder)

    def start(self, epoch: int) -> None:
        """Measure the untrained net, or continue the file after the last epoch of a resumed run."""
        if epoch == 0:
            self._add(self._instruments.measure(0))
            return
        try:
            self._text = lines_until(read_text(self._folder.path, names.LAYERS), epoch)
        except RunFolderError:
            self._text = header()
        self._instruments.remember()

    def epoch_done(self, epoch: int) -> dict[str, float]:
        """Measure, write the file, and return the values under `layers/LAYER/COLUMN`."""
        rows = self._instruments.measure(epoch)
        self._add(rows)
        return {
            f"layers/{row['layer']}/{column}": value
            for row in rows
            for column, value in row.items()
            if isinstance(value, float) and math.isfinite(value)
        }

    def _add(self, rows: list[Row]) -> None:
        longer = self._text + layers_text(rows)
        if fits(longer):
            self._text = longer
            self._folder.write_text(names.LAYERS, longer)


def _measured_layers(network: keras.Model) -> list[_Measured]:
    """Return the layers that have a kernel, in the order of the net."""
    makers = {id(layer.output): layer for layer in network.layers}
    activations: dict[int, keras.layers.Layer] = {}
    for layer in network.layers:
        if not type(layer).__module__.startswith("keras.src.layers.activations"):
            continue
        source = makers.get(id(layer.input))
        while source is not None and not hasattr(source, "kernel"):  # such as a norm between
            source = makers.get(id(source.input)) if _has_one_input(source) else None
        if source is not None:
            activations[id(source)] = layer
    measured = []
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            activation = activations.get(id(layer))
            measured.append(_Measured(layer, activation, _largest_derivative(activation)))
    return measured


def _has_one_input(layer: keras.layers.Layer) -> bool:
    return not isinstance(layer, keras.layers.InputLayer) and not isinstance(layer.input, list)


def _derivative(activation: keras.layers.Layer, values: Any) -> tuple[Any, Any]:
    """Return the activation of values and its derivative there, of the same shape."""
    with tf.GradientTape() as tape:
        tape.watch(values)
        activated = tf.cast(activation(values), tf.float32)
    return activated, tape.gradient(activated, values)


def _largest_derivative(activation: keras.layers.Layer | None) -> float:
    if activation is None:
        return 1.0
    _, slope = _derivative(activation, tf.linspace(-10.0, 10.0, 4_001))
    return float(tf.reduce_max(tf.abs(slope)))


def _of_activations(item: _Measured, preactivation: Any) -> dict[str, float | int | None]:
    activated, dead, saturated = preactivation, None, None
    if item.activation is not None:
        activated, slope = _derivative(item.activation, preactivation)
        share = (tf.abs(slope) / item.largest_derivative).numpy()
        dead = float((share <= _ZERO).all(axis=0).mean())
        saturated = float((share < SATURATED).mean())
    values = activated.numpy().astype(np.float64)
    centered = (values - values.mean(axis=0)).astype(np.float32)
    gram = centered @ centered.T if len(values) < values.shape[1] else centered.T @ centered
    spread, total = float(np.square(gram, dtype=np.float64).sum()), float(np.trace(gram))
    return {
        "units": values.shape[1],
        "activation_mean": float(values.mean()),
        "activation_sd": float(values.std()),
        "dead_share": dead,
        "saturated_share": saturated,
        # The participation ratio of the covariance's eigenvalues: (sum of them)^2 / sum of squares.
        "effective_rank": total**2 / spread if spread > 0 else 0.0,
    }


def _duplicate_share(kernel: Any) -> float | None:
    """Return the share of units with the same weights as another one, up to a positive factor.

    The units are compared in a fixed random projection, in which equal ones stay equal.
    """
    inputs, units = kernel.shape
    if units < 2:
        return None
    generator = np.random.default_rng(0)  # of its own: no stream of the run is touched
    projection = generator.standard_normal((inputs, _PROJECTED), np.float32)
    projected = (kernel.T @ projection)[:_COMPARED_UNITS]
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    directions = np.divide(projected, lengths, out=np.zeros_like(projected), where=lengths > 0)
    alike = directions @ directions.T >= _DUPLICATE
    zero = lengths[:, 0] == 0
    alike |= zero[:, None] & zero[None, :]
    np.fill_diagonal(alike, False)
    return float(alike.any(axis=1).mean())


def _of_predictions(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    logarithms = shifted - log_sum
    confidence, predicted = np.exp(logarithms.max(axis=1)), logarithms.argmax(axis=1)
    correct = predicted == labels
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(confidence[bins == place].mean() - correct[bins == place].mean())
        * (bins == place).sum()
        for place in np.unique(bins)
    ]
    return {
        "top_class_share": float(np.bincount(predicted).max() / len(labels)),
        "confidence": float(confidence.mean()),
        "calibration_error": float(sum(gaps) / len(labels)),
        "probe_loss": float(-logarithms[np.arange(len(labels)), labels].mean()),
        "probe_accuracy": float(correct.mean()),
    }


def _dot_products(gradients: list[Any]) -> np.ndarray:
    """Return the dot product of each gradient with each, as float64 (n, n)."""
    flat = [np.asarray(gradient).ravel() for gradient in gradients]
    return np.array([[np.vdot(a, b) for b in flat] for a in flat], np.float64)


def _norm(values: np.ndarray) -> float:
    return _root(np.vdot(values, values))


def _root(square: Any) -> float:
    return math.sqrt(max(float(square), 0.0))  # rounding may leave a square below zero


def _cosine(products: np.ndarray) -> float | None:
    """Return the cosine between two vectors from their dot products."""
    lengths = np.sqrt(np.diag(products))
    return float(products[0, 1] / lengths.prod()) if lengths.all() else None
