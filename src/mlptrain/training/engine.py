"""The compiled part of training: many steps per graph call on resident uint8 images.

Why it is fast (see docs/engine.md): the images stay uint8 in memory and are gathered, augmented
and scaled inside the graph; Python is entered twice per second, not once per step; the element-wise
arithmetic of scaling and of the optimizer is compiled by XLA into few passes over memory, while
matrix products stay with TensorFlow's own kernels, which XLA's do not reach on CPUs.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from mlptrain.config.schema import Config
from mlptrain.config.sizes import steps_per_epoch
from mlptrain.data.dataset import Split
from mlptrain.model.mlp import MLP
from mlptrain.model.optimizers import ScheduleFreeAdamW
from mlptrain.random_streams import Kind, stream, stream_word
from mlptrain.training.augmentation import Augmenter, resident_tensor
from mlptrain.training.averaging import WeightAverage
from mlptrain.training.penalty import add_penalty_gradient, penalty
from mlptrain.training.scoring import Evaluation, Scorer


@dataclass
class Totals:
    """Running sums over the images of an epoch, carried from graph call to graph call."""

    loss: float = 0.0
    correct: float = 0.0
    images: int = 0
    bad_step: int = -1


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return each class's weight in the loss, n / (classes * images of it), as scikit-learn does.

    Args:
        labels: integers (n,).
        classes: how many there are; one without images gets 0.

    Returns:
        float32 (classes,).
    """
    counts = np.bincount(labels, minlength=classes)
    weights = np.zeros(classes, np.float32)
    np.divide(len(labels), classes * counts, out=weights, where=counts > 0, casting="unsafe")
    return weights


class Engine:
    """Trains and evaluates one model on one training split.

    Args:
        config: the whole config.
        mlp: the net.
        optimizer: a fresh one, built for the net; its learning rate is set at every step.
        train: the training split, images uint8 (n, side, side, 3), labels uint8 (n,).
        threads: how many draw what augmentations draw once.

    Attributes:
        average: of the weights, with `train.ema`; else None.
        averages: whether the weights that are scored and saved are averages of those trained.
    """

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
        self.optimizer = optimizer
        self.variables = list(mlp.network.trainable_variables)
        self.average = (
            WeightAverage(self._evaluated, config.train.ema) if config.train.ema else None
        )
        self.averages = self.average is not None or isinstance(optimizer, ScheduleFreeAdamW)
        self._dropouts = [layer for layer in mlp.network.layers if hasattr(layer, "seed_generator")]
        self._penalized = {id(kernel) for kernel in mlp.penalized}
        self._images = resident_tensor(train.images.reshape(len(train), config.data.features()))
        self._labels = tf.constant(train.labels)
        self._class_weights = (
            tf.constant(balanced_weights(train.labels, len(config.data.class_names())))
            if config.data.class_weights == "balanced"
            else None
        )
        self._augment = Augmenter(config, len(train), mlp.scaling, threads)
        # AutoGraph would rewrite every function below, 0.7 s for nothing: the loop is TensorFlow's.
        self._update = tf.function(self.update_weights, jit_compile=True, autograph=False)
        self._scorer = Scorer(config, mlp)
        self._steps: tf.types.experimental.PolymorphicFunction | None = self._compile_steps()

    def _compile_steps(self) -> tf.types.experimental.PolymorphicFunction:
        return tf.function(
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

    def free_training_memory(self) -> None:
        """Give back the noise table and the graph; training again makes them anew."""
        self._augment.free()
        self._steps = None
        gc.collect()  # a traced function holds itself, and with it the noise table

    def start_epoch(self, epoch: int) -> tf.Tensor:
        """Set the random streams of an epoch, counted from 1.

        Returns:
            The epoch's order of the images, int32 (n,).
        """
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
        if self._steps is None:
            self._augment.draw_once()
            self._steps = self._compile_steps()
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
        inputs, labels, targets = self.batch(rows, before_epoch, step)
        with tf.GradientTape() as tape:
            logits = self.mlp.network(inputs, training=True)
            if targets is None:
                losses = keras.losses.sparse_categorical_crossentropy(
                    labels, logits, from_logits=True
                )
            else:
                losses = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
            if self._class_weights is not None:
                if targets is None:
                    losses *= tf.gather(self._class_weights, labels)
                else:  # mixed or smoothed: the weights of the classes in their shares
                    losses *= tf.linalg.matvec(targets, self._class_weights)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [variable.value for variable in self.variables])
        loss += penalty(self.mlp.penalized, self.config.regularization)
        self._update(gradients, step)
        hits = tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), labels)
        return loss, tf.math.count_nonzero(hits, dtype=tf.int32)

    def batch(
        self, rows: tf.Tensor, before_epoch: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Return what a step's network and loss receive, within the graph or outside.

        Args:
            rows: int32 (n,), which images.
            before_epoch: int32 (), steps of all epochs before this one.
            step: int32 (), global, from 0.

        Returns:
            Inputs float32 (n, features), labels int32 (n,), and soft targets float32 (n, classes)
            where the loss needs them, else None.
        """
        labels = tf.cast(tf.gather(self._labels, rows), tf.int32)
        epoch = before_epoch // steps_per_epoch(self.config) + 1
        images = tf.gather(self._images, rows)
        inputs, targets = self._augment(images, self._targets(labels), rows, epoch, step)
        return inputs, labels, targets

    def _targets(self, labels: tf.Tensor) -> tf.Tensor | None:
        """Return soft targets float32 (n, classes); None where the labels themselves will do."""
        smoothing = self.config.regularization.label_smoothing
        if not (smoothing or self._augment.mixes):
            return None
        classes = len(self.config.data.class_names())
        return tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes

    def update_weights(self, gradients: list[tf.Tensor], step: tf.Tensor) -> None:
        """Run Keras's own update, after adding the penalty's gradient where there is a penalty."""
        complete = []
        for gradient, variable in zip(gradients, self.variables, strict=True):
            if id(variable) in self._penalized:
                gradient = add_penalty_gradient(gradient, variable, self.config.regularization)
            complete.append(gradient)
        self.optimizer.apply(complete, self.variables)
        if self.average is not None:
            self.average.update(step)

    def evaluate(self, split: Split) -> Evaluation:
        """Score a split with the weights as they are; see `Scorer.evaluate`."""
        return self._scorer.evaluate(split)

    def weights(self) -> list[np.ndarray]:
        """Return a copy of the network's weights, batch norm's moving averages included."""
        return self.mlp.network.get_weights()

    def set_weights(self, weights: list[np.ndarray]) -> None:
        """Put a copy back."""
        self.mlp.network.set_weights(weights)

    def set_averaged_weights(self) -> None:
        """Put the averaged weights, where there are any, in the place of the last step's."""
        if self.averages:
            average = None if self.average is None else self.average.state()
            self.set_weights(average or [tensor.numpy() for tensor in self._evaluated()])

    def _evaluated(self) -> list[tf.Tensor]:
        """Return what would be scored without `train.ema`: the optimizer's averages, if any."""
        trained = set(map(id, self.variables))
        optimizer = self.optimizer
        return [
            tf.convert_to_tensor(
                optimizer.averaged(weight)
                if isinstance(optimizer, ScheduleFreeAdamW) and id(weight) in trained
                else weight.value
            )
            for weight in self.mlp.network.weights
        ]

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Have the averaged weights, where there are any, in the place of the last step's."""
        if not self.averages:
            yield
            return
        of_last_step = self.weights()
        self.set_averaged_weights()
        try:
            yield
        finally:
            self.set_weights(of_last_step)

    def optimizer_state(self) -> list[np.ndarray]:
        """Return a copy of the optimizer's variables, in Keras's order."""
        return [np.asarray(variable.numpy()) for variable in self.optimizer.variables]

    def set_optimizer_state(self, state: list[np.ndarray]) -> None:
        """Put a copy back."""
        for variable, value in zip(self.optimizer.variables, state, strict=True):
            variable.assign(value)
