"""Loss, accuracy and probabilities of a split, as the net stands."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from mlptrain.config.schema import Config
from mlptrain.config.sizes import scoring_batch
from mlptrain.data.dataset import Split
from mlptrain.model.mlp import MLP
from mlptrain.scores import macro_f1
from mlptrain.training.penalty import penalty

EVALUATION_BATCH = 1_000


@dataclass(frozen=True)
class Evaluation:
    """How a net does on one split.

    Attributes:
        loss: mean cross-entropy plus penalty.
        accuracy: from 0 to 1.
        macro_f1: mean over the classes that have images.
        predicted: int32 (n,), the classes of the highest probability.
        probabilities: float32 (n, classes).
    """

    loss: float
    accuracy: float
    macro_f1: float
    predicted: np.ndarray
    probabilities: np.ndarray


class Scorer:
    """Evaluates one net; its graph is traced once.

    Args:
        config: whose penalty counts.
        mlp: the net, whose weights may change between calls.
    """

    def __init__(self, config: Config, mlp: MLP) -> None:
        self._mlp = mlp
        self._config = config
        self._regularization = config.regularization
        self._score = tf.function(
            self._score_batch,
            autograph=False,
            input_signature=[
                tf.TensorSpec((None, *config.data.image_shape()), tf.uint8),
                tf.TensorSpec((None,), tf.uint8),
            ],
        )

    def evaluate(self, split: Split) -> Evaluation:
        """Score a split as it is: no augmentation, no dropout, plain cross-entropy plus penalty.

        Label smoothing and mixup are part of the training loss only, so that validation and test
        losses of different recipes can be compared.
        """
        loss, pieces = 0.0, []
        size = scoring_batch(self._config, EVALUATION_BATCH)
        for first in range(0, len(split), size):
            last = first + size
            entropy, *piece = self._score(
                tf.constant(split.images[first:last]), tf.constant(split.labels[first:last])
            )
            loss += float(entropy)
            pieces.append([tensor.numpy() for tensor in piece])
        predicted, probabilities = map(np.concatenate, zip(*pieces, strict=True))
        extra = float(penalty(self._mlp.penalized, self._regularization))
        return Evaluation(
            loss=loss / len(split) + extra,
            accuracy=float((predicted == split.labels).mean()),
            macro_f1=macro_f1(split.labels, predicted),
            predicted=predicted,
            probabilities=probabilities,
        )

    def _score_batch(
        self, images: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        logits = self._mlp.scorer(images, training=False)
        classes = tf.cast(labels, tf.int32)
        entropy = keras.losses.sparse_categorical_crossentropy(classes, logits, from_logits=True)
        return (
            tf.reduce_sum(tf.cast(entropy, tf.float64)),
            tf.argmax(logits, axis=1, output_type=tf.int32),
            tf.nn.softmax(logits),
        )
