"""The compiled part of training: many steps per graph call on resident uint8 images.

Why it is fast (see docs/engine.md): the images stay uint8 in memory and are gathered, augmented
and scaled inside the graph; Python is entered twice per second, not once per step; the element-wise
arithmetic of scaling and of the optimizer is compiled by XLA into few passes over memory, while
matrix products stay with TensorFlow's own kernels, which XLA's do not reach on CPUs.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from mlptrain.config.schema import Config
from mlptrain.config.sizes import class_names, features, image_shape, steps_per_epoch
from mlptrain.data.arrays import is_aligned
from mlptrain.data.dataset import Split
from mlptrain.data.noise import STEPS_PER_SD, noise_table
from mlptrain.data.shared import shared_arrays
from mlptrain.model.mlp import MLP
from mlptrain.random_streams import Kind, stream, stream_word
from mlptrain.training.augmentation import (
    alternating_flips,
    augment_images,
    cutmix,
    fresh_noise,
    mirrored_in,
    mixup,
)

_EVALUATION_BATCH = 1_000


@dataclass(frozen=True)
class Evaluation:
    """Figures of one split: mean loss with penalty, accuracy from 0 to 1, probabilities."""

    loss: float
    accuracy: float
    probabilities: np.ndarray


@dataclass
class Totals:
    """Running sums over the images of an epoch, carried from graph call to graph call."""

    loss: float = 0.0
    correct: float = 0.0
    images: int = 0
    bad_step: int = -1


def _resident(array: np.ndarray) -> tf.Tensor:
    """The array as a tensor on the device; on a CPU the same memory, not a copy of it.

    `tf.constant` would hold the images three times for a moment and twice ever after.
    """
    if tf.config.list_logical_devices("GPU") or not is_aligned(array):
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


class WeightAverage:
    """Exponential moving average of a network's weights, batch norm's averages included.

    The first steps count less: decay min(ema, (1 + t) / (10 + t)) at step t, as in TensorFlow's
    `ExponentialMovingAverage` with `num_updates`.
    """

    def __init__(self, network: keras.Model, decay: float) -> None:
        self._weights = network.weights
        self._decay = decay
        self._average = [tf.Variable(weight.value) for weight in self._weights]

    def update(self, step: tf.Tensor) -> None:
        """Take in the weights after the global step, within the graph."""
        t = tf.cast(step, tf.float32)
        share = 1 - tf.minimum(self._decay, (1 + t) / (10 + t))
        for average, weight in zip(self._average, self._weights, strict=True):
            average.assign_add(share * (tf.convert_to_tensor(weight.value) - average))

    def state(self) -> list[np.ndarray]:
        """A copy of the average."""
        return [average.numpy() for average in self._average]

    def restore(self, state: list[np.ndarray]) -> None:
        """Put a copy back."""
        for average, value in zip(self._average, state, strict=True):
            average.assign(value)


class Engine:
    """Trains and evaluates one model on one training split."""

    def __init__(
        self,
        config: Config,
        mlp: MLP,
        optimizer: keras.optimizers.Optimizer,
        train: Split,
        threads: int = 1,
    ) -> None:
        self.config = config
        self.mlp = mlp
        self._features = features(config.data)
        self.optimizer = optimizer
        self.variables = list(mlp.network.trainable_variables)
        optimizer.build(self.variables)
        self._dropouts = [layer for layer in mlp.network.layers if hasattr(layer, "seed_generator")]
        self._images = _resident(train.images.reshape(len(train), self._features))
        self._labels = tf.constant(train.labels)
        self._noise = self._noise_table(len(train), threads)
        self._flips = (
            alternating_flips(len(train), config.seed)
            if config.augmentation.flip == "alternating"
            else None
        )
        self.average = WeightAverage(mlp.network, config.train.ema) if config.train.ema else None
        self._penalized = {id(kernel) for kernel in mlp.penalized}
        # AutoGraph would rewrite every function below, 0.7 s for nothing: the loop is TensorFlow's.
        self._scale = tf.function(self._scale_batch, jit_compile=True, autograph=False)
        self._update = tf.function(self._update_step, jit_compile=True, autograph=False)
        self._steps = tf.function(
            self._train_steps,
            autograph=False,
            input_signature=[
                tf.TensorSpec((None,), tf.int32),
                tf.TensorSpec((None,), tf.float32),
                tf.TensorSpec((), tf.int32),
                tf.TensorSpec((), tf.int32),
                tf.TensorSpec((), tf.int32),
                tf.TensorSpec((), tf.float64),
                tf.TensorSpec((), tf.float64),
            ],
        )
        self._scores = tf.function(
            self._score_batch,
            autograph=False,
            input_signature=[
                tf.TensorSpec((None, self._features), tf.uint8),
                tf.TensorSpec((None,), tf.uint8),
            ],
        )

    def _noise_table(self, images: int, threads: int) -> tf.Tensor | None:
        augmentation = self.config.augmentation
        if not augmentation.std or augmentation.when != "once":
            return None
        seed = self.config.seed
        shared = shared_arrays(
            f"noise-{seed}-{images}-{self._features}",
            lambda: {"noise": noise_table(seed, images, self._features, threads)},
        )
        return _resident(shared["noise"])

    def start_epoch(self, epoch: int) -> tf.Tensor:
        """Set the epoch's random streams; returns its order of the images, int32 (n,)."""
        seed = self.config.seed
        for index, layer in enumerate(self._dropouts):
            # Keras counts the second word up at every draw: the mask of a step then depends on
            # (seed, layer, epoch, step) alone.
            word = stream_word(seed, Kind.DROPOUT, index, epoch)
            layer.seed_generator.state.assign(np.array([word, 0], np.uint32))
        generator = np.random.default_rng(stream(seed, Kind.ORDER, epoch))
        order = generator.permutation(self._images.shape[0])
        return tf.constant(order.astype(np.int32))

    def train_steps(
        self,
        order: tf.Tensor,
        rates: np.ndarray,
        first: int,
        last: int,
        before_epoch: int,
        totals: Totals,
    ) -> Totals:
        """Steps `first` to `last` (exclusive) of an epoch, as one graph call.

        Args:
            order: of `start_epoch`.
            rates: float32, the learning rate of each step of the epoch.
            first: index of the first step within the epoch.
            last: one past the last step.
            before_epoch: steps of all epochs before this one.
            totals: sums so far.

        Returns:
            The new sums; `bad_step` is the first step with a loss that is not finite, after
            which nothing more was done, else -1.
        """
        done, loss, correct, bad = self._steps(
            order,
            tf.constant(rates),
            tf.constant(first),
            tf.constant(last),
            tf.constant(before_epoch),
            tf.constant(totals.loss, tf.float64),
            tf.constant(totals.correct, tf.float64),
        )
        images = min(int(done) * self.config.train.batch_size, int(order.shape[0]))
        return Totals(float(loss), float(correct), images, int(bad))

    def _train_steps(
        self,
        order: tf.Tensor,
        rates: tf.Tensor,
        first: tf.Tensor,
        last: tf.Tensor,
        before_epoch: tf.Tensor,
        loss_sum: tf.Tensor,
        correct_sum: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        size = self.config.train.batch_size

        def unfinished(step: tf.Tensor, bad: tf.Tensor, *sums: tf.Tensor) -> tf.Tensor:
            return tf.logical_and(step < last, bad < 0)

        def one_more(
            step: tf.Tensor, bad: tf.Tensor, loss_sum: tf.Tensor, correct_sum: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
            rows = order[step * size : (step + 1) * size]
            self.optimizer.learning_rate.assign(rates[step])
            loss, correct = self._one_step(rows, before_epoch, before_epoch + step)
            n = tf.cast(tf.shape(rows)[0], tf.float64)
            return (
                step + 1,
                tf.where(tf.math.is_finite(loss), bad, step),
                loss_sum + tf.cast(loss, tf.float64) * n,
                correct_sum + tf.cast(correct, tf.float64),
            )

        begin = (first, tf.constant(-1), loss_sum, correct_sum)
        step, bad, loss_sum, correct_sum = tf.while_loop(unfinished, one_more, begin)
        return step, loss_sum, correct_sum, bad

    def _one_step(
        self, rows: tf.Tensor, before_epoch: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        inputs, labels, targets = self._batch(rows, before_epoch, step)
        with tf.GradientTape() as tape:
            logits = self.mlp.network(inputs, training=True)
            if targets is None:
                losses = keras.losses.sparse_categorical_crossentropy(
                    labels, logits, from_logits=True
                )
            else:
                losses = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [variable.value for variable in self.variables])
        loss += self.penalty()
        self._update(gradients, step)
        hits = tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels)
        return loss, tf.math.count_nonzero(hits, dtype=tf.int32)

    def _batch(
        self, rows: tf.Tensor, before_epoch: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Inputs float32 (n, features), labels int32 (n,), and soft targets where needed."""
        augmentation, seed = self.config.augmentation, self.config.seed
        mirrored = None
        if self._flips is not None:
            epoch = before_epoch // steps_per_epoch(self.config) + 1
            mirrored = mirrored_in(tf.gather(self._flips, rows), epoch)
        images = augment_images(tf.gather(self._images, rows), augmentation, seed, step, mirrored)
        labels = tf.cast(tf.gather(self._labels, rows), tf.int32)
        targets = self._targets(labels)
        if augmentation.cutmix:
            images, targets = cutmix(images, targets, augmentation, seed, step)
        if self._noise is not None:
            inputs = self._scale(images, tf.gather(self._noise, rows))
        else:
            inputs = self._scale(images, None)
            if augmentation.std:
                inputs = fresh_noise(inputs, augmentation.std, seed, step)
        if augmentation.mixup:
            inputs, targets = mixup(inputs, targets, augmentation, seed, step)
        return inputs, labels, targets

    def _targets(self, labels: tf.Tensor) -> tf.Tensor | None:
        """Soft targets float32 (n, classes); None where the labels themselves will do."""
        smoothing, augmentation = (
            self.config.regularization.label_smoothing,
            self.config.augmentation,
        )
        if not (smoothing or augmentation.cutmix or augmentation.mixup):
            return None
        classes = len(class_names(self.config.data))
        return tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes

    def _scale_batch(self, images: tf.Tensor, noise: tf.Tensor | None) -> tf.Tensor:
        """uint8 (n, features) and the table's rows int8 alike → float32 alike."""
        scaled = self.mlp.scaling(images)
        if noise is None:
            return scaled
        return scaled + tf.cast(noise, tf.float32) * (self.config.augmentation.std / STEPS_PER_SD)

    def penalty(self) -> tf.Tensor:
        """The L1/L2 penalty of the hidden kernels, as Keras's regularizers compute it."""
        total = tf.constant(0.0)
        for kernel in self.mlp.penalized:
            if self.config.regularization.l2:
                # l2_loss is half the sum of squares, in one pass.
                total += 2 * self.config.regularization.l2 * tf.nn.l2_loss(kernel.value)
            if self.config.regularization.l1:
                total += self.config.regularization.l1 * tf.reduce_sum(tf.abs(kernel.value))
        return total

    def _update_step(self, gradients: list[tf.Tensor], step: tf.Tensor) -> None:
        """Keras's own update, after adding the penalty's gradient where the kernel has one."""
        l1, l2 = self.config.regularization.l1, self.config.regularization.l2
        complete = []
        for gradient, variable in zip(gradients, self.variables, strict=True):
            if id(variable) in self._penalized:
                if l2:
                    gradient += 2 * l2 * variable.value
                if l1:
                    gradient += l1 * tf.sign(variable.value)
            complete.append(gradient)
        self.optimizer.apply(complete, self.variables)
        if self.average is not None:
            self.average.update(step)

    def finish_training(self) -> None:
        """Give back the memory that only training needs."""
        self._noise = None
        del self._steps
        gc.collect()  # a traced function holds itself, and with it the noise table

    def evaluate(self, split: Split) -> Evaluation:
        """Score a split as it is: no augmentation, no dropout, plain cross-entropy plus penalty.

        Label smoothing and mixup are part of the training loss only, so that validation and test
        losses of different recipes can be compared.
        """
        images = split.images.reshape(len(split), self._features)
        loss, correct, pieces = 0.0, 0, []
        for first in range(0, len(split), _EVALUATION_BATCH):
            last = first + _EVALUATION_BATCH
            entropy, hits, probabilities = self._scores(
                tf.constant(images[first:last]), tf.constant(split.labels[first:last])
            )
            loss += float(entropy)
            correct += int(hits)
            pieces.append(probabilities.numpy())
        n = len(split)
        return Evaluation(loss / n + float(self.penalty()), correct / n, np.concatenate(pieces))

    def _score_batch(
        self, images: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        logits = self.mlp.network(self.mlp.scaling(images), training=False)
        classes = tf.cast(labels, tf.int32)
        if self.config.augmentation.test_flip:
            grid = tf.reshape(images, (-1, *image_shape(self.config.data)))
            mirror = tf.reshape(grid[:, :, ::-1], (-1, self._features))
            other = self.mlp.network(self.mlp.scaling(mirror), training=False)
            # The logarithm of the mean probability: of it, softmax makes the mean again.
            logits = tf.reduce_logsumexp(tf.nn.log_softmax(tf.stack([logits, other])), axis=0)
        entropy = keras.losses.sparse_categorical_crossentropy(classes, logits, from_logits=True)
        hits = tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), classes)
        return (
            tf.reduce_sum(tf.cast(entropy, tf.float64)),
            tf.math.count_nonzero(hits),
            tf.nn.softmax(logits),
        )

    def weights(self) -> list[np.ndarray]:
        """A copy of the network's weights, batch norm's moving averages included."""
        return self.mlp.network.get_weights()

    def set_weights(self, weights: list[np.ndarray]) -> None:
        """Put a copy back."""
        self.mlp.network.set_weights(weights)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The averaged weights in the place of the last step's, where the config asks for it."""
        if self.average is None:
            yield
            return
        own = self.weights()
        self.set_weights(self.average.state())
        try:
            yield
        finally:
            self.set_weights(own)

    def optimizer_state(self) -> list[np.ndarray]:
        """A copy of the optimizer's variables, in Keras's order."""
        return [np.asarray(variable.numpy()) for variable in self.optimizer.variables]

    def set_optimizer_state(self, state: list[np.ndarray]) -> None:
        """Put a copy back."""
        for variable, value in zip(self.optimizer.variables, state, strict=True):
            variable.assign(value)
