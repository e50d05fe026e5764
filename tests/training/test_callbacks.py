import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlptrain.callbacks.checkpoint import Checkpoint
from mlptrain.callbacks.early_stopping import EarlyStopping
from mlptrain.callbacks.reduce_lr import ReduceLROnPlateau
from mlptrain.errors import RunFolderError

MONITORS = st.sampled_from(["val_loss", "loss", "val_accuracy", "accuracy"])
MIN_DELTAS = st.sampled_from([0.0, 1e-4, 0.01])


@st.composite
def sequences(draw):
    """Metrics of 1 to 40 epochs: plateaus, ties, and steps of about min_delta either way."""
    value = draw(st.integers(50, 3000)) / 1000
    values = []
    for _ in range(draw(st.integers(1, 40))):
        value += draw(
            st.sampled_from([0.0, 0.0, 1e-4, -1e-4, 1.0001e-4, -1.0001e-4, 9.999e-5, -9.999e-5])
            | st.sampled_from([0.01, -0.01, 0.010001, -0.010001, 1e-8, -1e-8])
            | st.integers(-2000, 2000).map(lambda n: n / 10_000)
        )
        values.append(value)
    return values


def stops(callback, epoch, value):
    callback.update(epoch, {callback.monitor: value})
    return callback.stop


def is_best(callback, epoch, value):
    callback.update(epoch, {callback.monitor: value})
    return callback.is_best


def lowers(callback, value, learning_rate):
    before = callback.rate_factor
    callback.update(1, {callback.monitor: value, "learning_rate": learning_rate})
    return callback.rate_factor < before


def early_stopping_decisions(callback, values, first_epoch=1):
    return [
        (stops(callback, epoch, value), callback.best_epoch, callback.wait)
        for epoch, value in enumerate(values, first_epoch)
    ]


def reduce_lr_decisions(callback, values):
    return [
        (
            lowers(callback, value, callback.base_learning_rate * callback.rate_factor),
            callback.rate_factor,
        )
        for value in values
    ]


def through_json(callback, fresh):
    fresh.restore(json.loads(json.dumps(callback.state())))
    return fresh


@given(sequences(), MONITORS, st.integers(0, 5), MIN_DELTAS, st.data())
def test_early_stopping_decides_the_same_after_a_resume(values, monitor, patience, delta, data):
    cut = data.draw(st.integers(0, len(values)))
    undisturbed = early_stopping_decisions(EarlyStopping(monitor, patience, delta), values)
    first = EarlyStopping(monitor, patience, delta)
    before = early_stopping_decisions(first, values[:cut])
    second = through_json(first, EarlyStopping(monitor, patience, delta))
    assert before + early_stopping_decisions(second, values[cut:], cut + 1) == undisturbed


@given(sequences(), MONITORS, st.integers(0, 5), MIN_DELTAS, st.integers(0, 3), st.data())
def test_reduce_lr_decides_the_same_after_a_resume(
    values, monitor, patience, delta, cooldown, data
):
    def fresh():
        return ReduceLROnPlateau(
            monitor, 0.5, patience, delta, cooldown, 1e-5, base_learning_rate=1e-3
        )

    cut = data.draw(st.integers(0, len(values)))
    undisturbed = reduce_lr_decisions(fresh(), values)
    first = fresh()
    before = reduce_lr_decisions(first, values[:cut])
    assert before + reduce_lr_decisions(through_json(first, fresh()), values[cut:]) == undisturbed


@given(sequences(), MONITORS, st.data())
def test_checkpoint_decides_the_same_after_a_resume(values, monitor, data):
    cut = data.draw(st.integers(0, len(values)))
    undisturbed = Checkpoint(monitor)
    expected = [is_best(undisturbed, epoch, value) for epoch, value in enumerate(values, 1)]
    first = Checkpoint(monitor)
    got = [is_best(first, epoch, value) for epoch, value in enumerate(values[:cut], 1)]
    second = through_json(first, Checkpoint(monitor))
    got += [is_best(second, epoch, value) for epoch, value in enumerate(values[cut:], cut + 1)]
    assert got == expected
    assert second.best_epoch == undisturbed.best_epoch


@given(sequences(), MONITORS)
def test_checkpoint_is_the_first_with_the_best_value(values, monitor):
    best = Checkpoint(monitor)
    for epoch, value in enumerate(values, 1):
        is_best(best, epoch, value)
    single = np.asarray(values, np.float32)
    index = single.argmax() if monitor.endswith("accuracy") else single.argmin()
    assert best.best_epoch == index + 1
    assert best.best == values[index]


def test_nan_is_never_an_improvement_not_even_first():
    best = Checkpoint("val_loss")
    assert [
        is_best(best, 1, float("nan")),
        is_best(best, 2, 2.0),
        is_best(best, 3, float("nan")),
    ] == [False, True, False]
    assert best.best_epoch == 2


def test_the_reduced_rate_never_goes_below_min_lr():
    reduce_lr = ReduceLROnPlateau("loss", 0.1, 1, min_lr=3e-5, base_learning_rate=1e-3)
    decisions = reduce_lr_decisions(reduce_lr, [1.0] * 6)
    assert [lowered for lowered, _ in decisions] == [False, True, True, False, False, False]
    assert reduce_lr.rate_factor * 1e-3 == pytest.approx(3e-5)


def test_a_rate_the_schedule_already_took_below_min_lr_is_left_alone():
    reduce_lr = ReduceLROnPlateau("loss", 0.5, 1, min_lr=1e-4, base_learning_rate=1e-3)
    lowers(reduce_lr, 1.0, 5e-5)
    assert not lowers(reduce_lr, 1.0, 5e-5)
    assert reduce_lr.rate_factor == 1.0


def test_a_metric_without_a_direction_is_refused():
    with pytest.raises(ValueError, match=r"one of val_accuracy, .*, received 'f1'"):
        EarlyStopping("f1", patience=1)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"best": 1.0, "best_epoch": 1, "wait": 0},
        {"best": 1.0, "best_epoch": None, "wait": 0, "stop": False},
        {"best": "1.0", "best_epoch": 1, "wait": 0, "stop": False},
        {"best": 1.0, "best_epoch": 1, "wait": 0, "stop": False, "update": 1},
    ],
)
def test_a_foreign_state_is_refused(state):
    with pytest.raises(RunFolderError, match="best, best_epoch, wait, stop"):
        EarlyStopping("loss", patience=1).restore(state)


class _KerasModel:
    """The few attributes through which Keras's callbacks see a model."""

    def __init__(self, learning_rate):
        class Optimizer:
            @property
            def learning_rate(self):
                return self._rate

            @learning_rate.setter
            def learning_rate(self, value):
                self._rate = np.float32(value)

        self.optimizer = Optimizer()
        self.optimizer.learning_rate = learning_rate
        self.stop_training = False
        self.metrics = [SimpleNamespace()]


def _keras_mode(monitor):
    return "max" if monitor.endswith("accuracy") else "min"


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(sequences(), MONITORS, st.integers(0, 5), MIN_DELTAS)
def test_early_stopping_decides_as_keras_does(values, monitor, patience, delta):
    import keras

    theirs = keras.callbacks.EarlyStopping(
        monitor, patience=patience, min_delta=delta, mode=_keras_mode(monitor)
    )
    theirs.set_model(_KerasModel(1e-3))
    theirs.on_train_begin()
    ours = EarlyStopping(monitor, patience, delta)
    for epoch, value in enumerate(values):
        theirs.on_epoch_end(epoch, {monitor: value})
        stop = stops(ours, epoch + 1, value)
        assert (stop, ours.best, ours.best_epoch, ours.wait) == (
            theirs.model.stop_training,
            theirs.best,
            theirs.best_epoch + 1,
            theirs.wait,
        )
        if stop:
            break


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    sequences(),
    MONITORS,
    st.integers(0, 4),
    MIN_DELTAS,
    st.integers(0, 3),
    st.sampled_from([0.1, 0.5, 0.3]),
    # Not 1e-4: Keras reaches it but for one float32 step, and then "lowers" the rate by that.
    st.sampled_from([0.0, 1.5e-4, 7e-5, 1e-3, 1.0]),
)
def test_reduce_lr_decides_as_keras_does(
    values, monitor, patience, delta, cooldown, factor, min_lr
):
    import keras

    theirs = keras.callbacks.ReduceLROnPlateau(
        monitor,
        factor=factor,
        patience=patience,
        min_delta=delta,
        cooldown=cooldown,
        min_lr=min_lr,
        mode=_keras_mode(monitor),
    )
    theirs.set_model(_KerasModel(1e-3))
    theirs.on_train_begin()
    ours = ReduceLROnPlateau(
        monitor, factor, patience, delta, cooldown, min_lr, base_learning_rate=1e-3
    )
    for epoch, value in enumerate(values):
        rate = float(theirs.model.optimizer.learning_rate)
        theirs.on_epoch_end(epoch, {monitor: value})
        reduced = lowers(ours, value, 1e-3 * ours.rate_factor)
        new_rate = float(theirs.model.optimizer.learning_rate)
        assert reduced == (new_rate < rate)
        assert 1e-3 * ours.rate_factor == pytest.approx(new_rate, rel=1e-5)
        assert (ours.best, ours.wait, ours.cooldown_left) == (
            theirs.best,
            theirs.wait,
            theirs.cooldown_counter,
        )


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(sequences(), MONITORS)
def test_checkpoint_decides_as_keras_model_checkpoint_does(values, monitor):
    import keras

    saved = []

    class Model(_KerasModel):
        def save(self, filepath, overwrite):
            saved.append(filepath)

    theirs = keras.callbacks.ModelCheckpoint(
        "{epoch}.keras", monitor, save_best_only=True, mode=_keras_mode(monitor)
    )
    theirs.set_model(Model(1e-3))
    ours = Checkpoint(monitor)
    for epoch, value in enumerate(values):
        saved.clear()
        theirs.on_epoch_end(epoch, {monitor: value})
        assert is_best(ours, epoch + 1, value) == bool(saved)
