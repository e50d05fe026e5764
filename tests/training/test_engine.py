"""The engine against plain Keras, and against itself under every grouping and order of calls."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from mlptrain.augmentations.noise import STEPS_PER_SD, noise_table
from mlptrain.config.compose import compose
from mlptrain.config.registry import OPTIMIZERS
from mlptrain.data.dataset import Split
from mlptrain.training.engine import balanced_weights

SMALL = ["data=cifar10_mini", "data.limit=200", "model.hidden=[16,8]", "train.batch_size=32"]
# Nothing random beside the order of the images.
PLAIN = [*SMALL, "model.dropout=0", "augmentation=none", "regularization=none"]
# Everything random at once, two penalties beside.
RANDOM = [
    *SMALL,
    "augmentation=[strong,crop,brightness_contrast,cutmix]",
    "augmentation.std=0.1",
    "augmentation.when=every_epoch",
    "model.dropout=0.3",
    "regularization=l1l2",
]
STEPS = 6  # 180 training images: five batches of 32 and one of 20


class Trainer:
    """The parts of a run, made from overrides alone."""

    def __init__(self, *words):
        from mlptrain.training.assemble import assemble

        assembly = assemble(compose(words).config)
        self.config, self.dataset, self.mlp = assembly.config, assembly.dataset, assembly.mlp
        self.engine, self.optimizer = assembly.engine, assembly.engine.optimizer

    @property
    def weights(self):
        return self.mlp.network.get_weights()

    def epoch(self, number=1, calls=(0, STEPS), rates=None):
        """Train an epoch, cut into graph calls at the steps of `calls`; return its totals."""
        from mlptrain.training.engine import Totals

        if rates is None:
            rates = np.full(STEPS, self.config.optimizer.learning_rate, np.float32)
        order, totals = self.engine.start_epoch(number), Totals()
        for first, last in pairwise(calls):
            before = (number - 1) * STEPS
            totals = self.engine.train_steps(order, rates, first, last, before, totals)
        return totals


def batches(order, size=32):
    return [order[first : first + size] for first in range(0, len(order), size)]


def plain_keras_epoch(setup, order):
    """One epoch as a Keras user would write it: eager, Keras's own regularizers and losses.

    Returns the loss of each step, penalty included.
    """
    import keras
    import tensorflow as tf

    network, smoothing = setup.mlp.network, setup.config.regularization.label_smoothing
    entropy = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    train, losses = setup.dataset.train, []
    for rows in batches(order):
        inputs = setup.mlp.scaling(train.images[rows].reshape(len(rows), -1))
        if setup.config.augmentation.std:
            table = noise_table(setup.config.seed, (len(train), inputs.shape[1]))
            inputs += table[rows] / np.float32(STEPS_PER_SD) * setup.config.augmentation.std
        with tf.GradientTape() as tape:
            logits = network(inputs, training=True)
            loss = entropy(keras.ops.one_hot(train.labels[rows], 10), logits)
            loss += sum(network.losses)
        gradients = tape.gradient(loss, [v.value for v in network.trainable_variables])
        setup.optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        losses.append(float(loss))
    return losses


def assert_close(result, expected, start):
    """Equal within float error of what the steps have moved the weights by."""
    for ours, theirs, before in zip(result, expected, start, strict=True):
        moved = np.abs(theirs - before).max()
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-3 * moved + 1e-7)


L2 = ["regularization=l2"]
# Each option of optimizers, penalties, limits, targets and inputs rides along with one optimizer.
OPTIONS = {
    "adam": ["model.batch_norm=false", "activation=tanh",
             "regularization=l1l2", "regularization.l1=1e-3", "regularization.l2=1e-2"],
    "adamw": ["optimizer.amsgrad=true", "optimizer.weight_decay=0.1",
              "regularization=label_smoothing"],
    "nadam": ["regularization=max_norm", "regularization.max_norm=0.5", "regularization.l2=1e-2"],
    "rmsprop": ["optimizer.centered=true", "optimizer.momentum=0.5", *L2,
                "augmentation=noise", "augmentation.std=0.1"],
    "sgd": ["optimizer.nesterov=true", "regularization=clip_norm", "regularization.clip_norm=0.1",
            "regularization.l2=1e-2"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_and_option_takes_the_steps_of_plain_keras(name):
    words = [*PLAIN, f"optimizer={name}", *OPTIONS.get(name, L2)]
    ours, theirs = Trainer(*words), Trainer(*words)
    start = ours.weights
    for mine, other in zip(start, theirs.weights, strict=True):
        np.testing.assert_array_equal(mine, other)
    totals = ours.epoch()
    order = ours.engine.start_epoch(1).numpy()
    losses = plain_keras_epoch(theirs, order)
    assert_close(ours.weights, theirs.weights, start)
    mean = np.average(losses, weights=[len(rows) for rows in batches(order)])
    assert totals.loss / totals.images == pytest.approx(mean, rel=1e-5)


@pytest.fixture(scope="module")
def random():
    """One trainer for the tests that only compare it with itself, and its fresh state."""
    trainer = Trainer(*RANDOM)
    return trainer, trainer.engine.weights(), trainer.engine.optimizer_state()


@pytest.fixture
def trainer(random):
    trainer, weights, state = random
    trainer.engine.set_weights(weights)
    trainer.engine.set_optimizer_state(state)
    return trainer


def outcome(trainer, totals):
    """Everything an epoch leaves behind, as bytes: equal means equal to the last bit."""
    arrays = [*trainer.engine.weights(), *trainer.engine.optimizer_state()]
    return totals, [array.tobytes() for array in arrays]


@pytest.mark.parametrize(
    "calls", [range(STEPS + 1), (0, 3, STEPS), (0, 1, STEPS)], ids=["1", "3", "1 and 5"]
)
def test_results_do_not_depend_on_how_steps_are_grouped_into_calls(trainer, random, calls):
    grouped = outcome(trainer, trainer.epoch(calls=calls))
    trainer.engine.set_weights(random[1])
    trainer.engine.set_optimizer_state(random[2])
    assert grouped == outcome(trainer, trainer.epoch(calls=(0, STEPS)))


def test_any_epoch_can_be_replayed(trainer, random):
    first = outcome(trainer, trainer.epoch(5))
    trainer.epoch(2)
    trainer.engine.set_weights(random[1])
    trainer.engine.set_optimizer_state(random[2])
    assert outcome(trainer, trainer.epoch(5)) == first


def test_after_its_memory_was_freed_it_trains_as_before():
    trainer = Trainer(*PLAIN, "augmentation=noise", "augmentation.std=0.1")
    weights, state = trainer.engine.weights(), trainer.engine.optimizer_state()
    trainer.epoch(1)
    undisturbed = outcome(trainer, trainer.epoch(2))
    trainer.engine.set_weights(weights)
    trainer.engine.set_optimizer_state(state)
    trainer.epoch(1)
    trainer.engine.free_training_memory()
    assert outcome(trainer, trainer.epoch(2)) == undisturbed


def test_the_same_seed_gives_the_same_figures_and_another_seed_others(trainer):
    first = outcome(trainer, trainer.epoch(1))
    again, other = Trainer(*RANDOM), Trainer(*RANDOM, "seed=43")
    assert outcome(again, again.epoch(1)) == first
    assert outcome(other, other.epoch(1))[0].loss != first[0].loss


def test_every_epoch_sees_every_image_once_in_an_order_of_its_own(trainer):
    orders = [trainer.engine.start_epoch(epoch).numpy() for epoch in (1, 2, 1)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(180))
    assert (orders[0] != orders[1]).any()
    np.testing.assert_array_equal(orders[0], orders[2])


def test_dropout_masks_depend_on_epoch_and_step_and_on_nothing_else(trainer):
    network = trainer.mlp.network
    inputs = np.ones((4, 3072), np.float32)

    def masks(epoch):
        trainer.engine.start_epoch(epoch)
        dropout = network.get_layer("dropout_1")
        return [np.asarray(dropout(np.ones((4, 16)), training=True)) for _ in range(2)]

    first, second, first_again = masks(1), masks(2), masks(1)
    network(inputs, training=False)
    np.testing.assert_array_equal(first, first_again)
    assert (first[0] != first[1]).any()
    assert (first[0] != second[0]).any()


def fitted_by_keras(words, class_weight=None):
    """`fit` on a float copy of the images in our order, and the model it trained."""
    import keras

    ours, theirs = Trainer(*words), Trainer(*words)
    order = ours.engine.start_epoch(1).numpy()
    train = theirs.dataset.train
    inputs = np.asarray(theirs.mlp.scaling(train.images[order].reshape(len(order), -1)))
    theirs.mlp.network.compile(
        optimizer=theirs.optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    fit = theirs.mlp.network.fit(
        inputs, train.labels[order], batch_size=32, epochs=1, shuffle=False, verbose=0,
        class_weight=class_weight,
    )  # fmt: skip
    return ours, theirs, fit.history


def test_the_reported_figures_are_those_of_keras_fit():
    ours, theirs, history = fitted_by_keras([*PLAIN, "regularization=l2", "regularization.l2=0.01"])
    start = ours.weights
    totals = ours.epoch()
    assert totals.images == 180
    assert totals.bad_step == -1
    assert totals.loss / totals.images == pytest.approx(history["loss"][0], rel=1e-5)
    assert totals.correct / totals.images == pytest.approx(history["accuracy"][0], abs=1e-6)
    assert_close(ours.weights, theirs.weights, start)


def test_balanced_class_weights_are_those_of_keras_and_scikit_learn():
    words = [*PLAIN, "data.class_weights=balanced"]
    labels = Trainer(*words).dataset.train.labels
    weights = balanced_weights(labels, 10)
    np.testing.assert_allclose(
        weights, compute_class_weight("balanced", classes=np.arange(10), y=labels), rtol=1e-6
    )
    assert weights.max() > 1.2 * weights.min()
    ours, theirs, history = fitted_by_keras(words, dict(enumerate(weights.tolist())))
    start = ours.weights
    totals = ours.epoch()
    assert totals.loss / totals.images == pytest.approx(history["loss"][0], rel=1e-5)
    assert_close(ours.weights, theirs.weights, start)


def test_class_weights_reach_soft_targets_and_classes_without_images():
    assert balanced_weights(np.array([0, 0, 0, 2]), 3).tolist() == pytest.approx([4 / 9, 0, 4 / 3])
    plain, weighted = (
        Trainer(*PLAIN, "regularization.label_smoothing=0.1", f"data.class_weights={choice}")
        for choice in ("null", "balanced")
    )
    assert plain.epoch().loss != weighted.epoch().loss


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_evaluate_is_keras_evaluate_of_the_saved_model_on_raw_images(trainer, smoothing):
    trainer.epoch()
    weights = trainer.engine.weights()
    words = [*SMALL, "regularization=l1l2", f"regularization.label_smoothing={smoothing}"]
    trainer = Trainer(*words)
    trainer.engine.set_weights(weights)
    classifier, test = trainer.mlp.classifier, trainer.dataset.test
    classifier.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = classifier.evaluate(test.images, test.labels, verbose=0)
    result = trainer.engine.evaluate(test)
    assert result.loss == pytest.approx(loss, rel=1e-5)
    assert result.accuracy == pytest.approx(accuracy, abs=1e-6)
    assert result.probabilities.shape == (200, 10)
    np.testing.assert_allclose(
        result.probabilities, classifier.predict(test.images, verbose=0), atol=1e-5
    )


def test_evaluating_changes_nothing(trainer):
    before = outcome(trainer, None)
    first, again = (trainer.engine.evaluate(trainer.dataset.train) for _ in range(2))
    assert first.loss == again.loss
    assert outcome(trainer, None) == before


def test_evaluation_in_pieces_is_evaluation_of_the_whole(trainer, monkeypatch):
    from mlptrain.training import scoring

    at_once = trainer.engine.evaluate(trainer.dataset.test)
    monkeypatch.setattr(scoring, "EVALUATION_BATCH", 64)
    pieces = trainer.engine.evaluate(trainer.dataset.test)
    assert pieces.accuracy == at_once.accuracy
    assert pieces.loss == pytest.approx(at_once.loss, rel=1e-6)
    np.testing.assert_allclose(pieces.probabilities, at_once.probabilities, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_at_its_step():
    trainer = Trainer(*PLAIN, "optimizer=sgd", "optimizer.momentum=0", "model.batch_norm=false")
    rates = np.full(STEPS, 1e-3, np.float32)
    rates[2] = 1e30  # ruins the weights, so the loss of step 3 is the first to tell
    totals = trainer.epoch(rates=rates)
    assert totals.bad_step == 3
    assert totals.images == 4 * 32
    assert float(trainer.optimizer.learning_rate) == np.float32(1e-3)
    assert int(trainer.optimizer.iterations) == 4


def test_the_rate_of_each_step_is_the_one_given():
    trainer = Trainer(*PLAIN, "optimizer=sgd", "optimizer.momentum=0")
    weights, state = trainer.engine.weights(), trainer.engine.optimizer_state()

    def first_kernel(rates, **calls):
        trainer.engine.set_weights(weights)
        trainer.engine.set_optimizer_state(state)
        trainer.epoch(rates=rates, **calls)
        assert float(trainer.optimizer.learning_rate) == rates[-1]
        return trainer.weights[0]

    rates = np.linspace(0.001, 0.1, STEPS, dtype=np.float32)
    rising = first_kernel(rates)
    np.testing.assert_array_equal(rising, first_kernel(rates, calls=range(STEPS + 1)))
    constant = first_kernel(np.full(STEPS, 0.001, np.float32))
    assert np.abs(rising - constant).max() > 1e-3


def test_no_unit_of_a_hidden_layer_exceeds_max_norm_after_training():
    trainer = Trainer(*PLAIN, "regularization=max_norm", "regularization.max_norm=0.3")
    trainer.epoch()
    norms = [np.linalg.norm(kernel.numpy(), axis=0) for kernel in trainer.mlp.penalized]
    for of_layer in norms:
        assert of_layer.max() <= 0.3 * (1 + 1e-5)
    assert max(of_layer.max() for of_layer in norms) > 0.29
    assert np.linalg.norm(trainer.mlp.network.layers[-1].kernel.numpy(), axis=0).max() > 0.3


def test_mixed_targets_of_smoothed_labels_sum_to_one():
    import tensorflow as tf

    trainer = Trainer(*SMALL, "augmentation=mixup", "regularization.label_smoothing=0.1")
    inputs, labels, targets = trainer.engine.batch(tf.range(32), tf.constant(0), tf.constant(0))
    assert (inputs.dtype, inputs.shape) == (tf.float32, (32, 3072))
    np.testing.assert_array_equal(labels, trainer.dataset.train.labels[:32])
    np.testing.assert_allclose(np.asarray(targets).sum(axis=1), 1.0, rtol=1e-6)
    assert np.asarray(targets).min() >= 0.01 * (1 - 1e-5)


def test_the_study_noise_is_tied_to_the_image_and_not_to_its_place_in_the_batch():
    import tensorflow as tf

    trainer = Trainer(*PLAIN, "augmentation=noise", "augmentation.std=0.1")
    forward, _, _ = trainer.engine.batch(tf.constant([3, 70, 150]), *[tf.constant(0)] * 2)
    backward, _, _ = trainer.engine.batch(tf.constant([150, 70, 3]), *[tf.constant(17)] * 2)
    np.testing.assert_array_equal(forward, np.asarray(backward)[::-1])
    images = trainer.dataset.train.images[[3, 70, 150]].reshape(3, -1)
    noise = np.asarray(forward) - np.asarray(trainer.mlp.scaling(images))
    assert noise.std() == pytest.approx(0.1, rel=0.05)


def test_weights_and_optimizer_state_survive_being_taken_out_and_put_back(trainer):
    trainer.epoch(1)
    weights, state = trainer.engine.weights(), trainer.engine.optimizer_state()
    expected = outcome(trainer, trainer.epoch(2))
    trainer.engine.set_weights(weights)
    trainer.engine.set_optimizer_state(state)
    assert outcome(trainer, trainer.epoch(2)) == expected


def test_scores_with_test_flip_are_of_the_mean_probability():
    plain = Trainer(*PLAIN)
    mirrored = Trainer(*PLAIN, "augmentation.test_flip=true")
    mirrored.engine.set_weights(plain.weights)
    split = plain.dataset.validation
    original = plain.engine.evaluate(split).probabilities
    other = plain.engine.evaluate(Split(split.images[:, :, ::-1], split.labels)).probabilities
    result = mirrored.engine.evaluate(split)
    expected = (original + other) / 2
    np.testing.assert_allclose(result.probabilities, expected, atol=1e-6)
    of_label = expected[np.arange(len(split)), split.labels]
    assert result.loss == pytest.approx(-np.log(of_label).mean(), rel=1e-5)
    assert result.accuracy == (expected.argmax(axis=1) == split.labels).mean()


@pytest.mark.parametrize(
    ("optimizer", "ema"),
    [("rmsprop", 0.9), ("schedule_free_adamw", 0.9), ("schedule_free_adamw", 0)],
)
def test_averages_follow_step_by_step_and_are_in_place_for_a_while_only(optimizer, ema):
    trainer = Trainer(*PLAIN, f"train.ema={ema}", f"optimizer={optimizer}")
    averages = trainer.engine.weights()
    for step in range(STEPS):
        trainer.epoch(calls=(step, step + 1))
        weights = trainer.engine.weights()
        if optimizer == "schedule_free_adamw":  # its own average is looked at in the first kernel
            weights = [np.asarray(trainer.optimizer.averaged(trainer.engine.variables[0]))]
        decay = min(ema, (1 + step) / (10 + step))
        pairs = zip(averages, weights, strict=optimizer == "rmsprop")
        averages = [decay * average + (1 - decay) * weight for average, weight in pairs]
    of_last_step = trainer.engine.weights()
    with trainer.engine.averaged():
        for result, target in zip(trainer.engine.weights(), averages, strict=False):
            np.testing.assert_allclose(result, target, atol=1e-6)
    for result, target in zip(trainer.engine.weights(), of_last_step, strict=True):
        np.testing.assert_array_equal(result, target)
    assert np.abs(of_last_step[0] - averages[0]).max() > 1e-4


def test_alternating_flips_mirror_in_every_second_epoch():
    import tensorflow as tf

    trainer = Trainer(*PLAIN, "augmentation=flip_alternating")
    rows = tf.range(64)
    first, second, third = (
        np.asarray(trainer.engine.batch(rows, *[tf.constant(epoch * STEPS)] * 2)[0])
        for epoch in range(3)
    )
    np.testing.assert_array_equal(first, third)
    changed = (first != second).any(axis=1)
    assert changed.mean() > 0.9  # but for images that are their own mirror
