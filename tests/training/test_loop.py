import dataclasses
import json
import math

import numpy as np
import pytest
from loop_run import SMALL, STEPS, Run, assembled
from sklearn.metrics import f1_score

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.config.location import choices
from mlptrain.config.registry import REGISTRIES
from mlptrain.errors import TrainingError
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.training.interruption import Interrupted
from mlptrain.training.run import finish_run
from mlptrain.training.views.plain import View


@pytest.fixture
def run(tmp_path):
    return lambda *words: Run(tmp_path, *words)


def figures(history):
    return [{key: row[key] for key in row if key != "seconds"} for row in history]


def column(trained, key):
    return [row[key] for row in trained.history]


def assert_same_arrays(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_row_per_epoch_with_the_columns_of_the_history(run):
    here = run("train.epochs=2")
    trained = here.train()
    assert column(trained, "epoch") == [1, 2]
    header, *lines = here.folder.file("history.csv").read_text().splitlines()
    assert header == "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,val_macro_f1"
    for line, row in zip(lines, trained.history, strict=True):
        assert line.split(",") == [str(row[key]) for key in header.split(",")]
    assert trained.best_epoch == 2
    assert here.view.best == [False, False]


@pytest.mark.parametrize("schedule", ["linear", "one_cycle", "step"])
def test_the_rate_used_and_recorded_is_the_schedule_times_the_plateaus_factor(run, schedule):
    from mlptrain.schedules import learning_rates

    # Nothing ever improves by 1000, so each epoch from the second on halves the factor.
    here = run(
        "train.epochs=4",
        f"schedule={schedule}",
        "callbacks=reduce_lr",
        "callbacks.reduce_lr.patience=1",
        "callbacks.reduce_lr.min_delta=1000",
    )
    trained = here.train()
    of_schedule = learning_rates(here.config.schedule, 0, 4 * STEPS, 4 * STEPS, 1e-3)
    expected = of_schedule * np.repeat([1, 1, 0.5, 0.25], STEPS).astype(np.float32)
    np.testing.assert_array_equal(np.float32(here.view.rates), expected)
    np.testing.assert_array_equal(
        np.float32(column(trained, "learning_rate")), expected[STEPS - 1 :: STEPS]
    )
    assert float(here.engine.optimizer.learning_rate) == expected[-1]


def test_the_weights_of_the_best_epoch_are_restored(run):
    here = run("train.epochs=5", "callbacks=checkpoint", "optimizer.learning_rate=0.02")
    trained = here.train()
    losses = column(trained, "val_loss")
    assert trained.best_epoch == int(np.argmin(losses)) + 1
    assert here.engine.evaluate(here.validation).loss == min(losses)
    assert here.view.best == [loss == min(losses[: epoch + 1]) for epoch, loss in enumerate(losses)]


def test_without_callbacks_the_last_epoch_counts(run):
    here = run("train.epochs=3", "optimizer.learning_rate=0.02")
    trained = here.train()
    assert trained.best_epoch == 3
    assert here.engine.evaluate(here.validation).loss == trained.history[-1]["val_loss"]


def test_early_stopping_ends_the_run_and_restores_the_best(run):
    # with which the first epoch is the best one
    here = run(
        "train.epochs=20 callbacks=early_stopping callbacks.early_stopping.patience=2 "
        "callbacks.early_stopping.min_delta=1000 seed=6"
    )
    trained = here.train()
    assert column(trained, "epoch") == [1, 2, 3]
    assert trained.best_epoch == 1
    assert here.engine.evaluate(here.validation).loss == trained.history[0]["val_loss"]


def test_early_stopping_may_keep_the_last_weights(run):
    here = run(
        "train.epochs=20 callbacks=early_stopping callbacks.early_stopping.patience=1 "
        "callbacks.early_stopping.min_delta=1000 callbacks.early_stopping.restore_best=false"
    )
    trained = here.train()
    assert trained.best_epoch == len(trained.history) == 2
    assert here.engine.evaluate(here.validation).loss == trained.history[-1]["val_loss"]


def test_macro_f1_of_the_validation_images_is_recorded_and_can_be_monitored(run):
    here = run(
        "train.epochs=5 callbacks=checkpoint callbacks.checkpoint.monitor=val_macro_f1 "
        "optimizer.learning_rate=0.02"
    )
    trained = here.train()
    figures = column(trained, "val_macro_f1")
    assert trained.best_epoch == int(np.argmax(figures)) + 1
    predicted = here.engine.evaluate(here.validation).probabilities.argmax(axis=1)
    labels = here.validation.labels
    of_scikit_learn = f1_score(labels, predicted, labels=np.unique(labels), average="macro")
    assert max(figures) == pytest.approx(of_scikit_learn, rel=1e-12)


def test_a_training_figure_can_be_monitored_where_there_is_no_validation(run):
    here = run(
        "train.epochs=3 data.validation_fraction=0 callbacks=checkpoint "
        "callbacks.checkpoint.monitor=loss"
    )
    trained = here.train()
    assert column(trained, "val_loss") == column(trained, "val_accuracy") == [None] * 3
    assert trained.best_epoch == int(np.argmin(column(trained, "loss"))) + 1
    assert here.folder.file("history.csv").read_text().splitlines()[1].split(",")[3:5] == ["", ""]


# Everything that has a state of its own: momenta, rate factor, noise, masks, both counters.
STATEFUL = (
    "train.epochs=6 callbacks=default callbacks.early_stopping.patience=3 "
    "callbacks.reduce_lr.patience=1 optimizer=adam optimizer.learning_rate=0.02 schedule=cosine "
    "augmentation=strong augmentation.std=0.05 augmentation.when=every_epoch"
)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, STEPS, STEPS + 2, 3 * STEPS - 1])
def test_an_interrupted_run_goes_on_to_the_result_of_an_undisturbed_one(tmp_path, steps):
    undisturbed = Run(tmp_path / "whole", STATEFUL)
    expected = undisturbed.train()
    cut = Run(tmp_path / "cut", STATEFUL)

    def stop():
        if len(cut.view.rates) == steps:
            cut.interruption.reason = "SIGINT"

    cut.view.at_step = stop
    with pytest.raises(Interrupted, match="SIGINT"):
        cut.train()
    again = Run(tmp_path / "cut", STATEFUL)
    # Whole epochs are kept; a part of one is trained again.
    resumed = again.resume() if steps > STEPS else again.train()
    assert figures(resumed.history) == figures(expected.history)
    assert resumed.best_epoch == expected.best_epoch
    assert_same_arrays(again.arrays, undisturbed.arrays)


OPTIMIZERS = list(REGISTRIES["optimizer"])
by_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS, scope="module")
"""Tests of one optimizer run one after the other, so that they share its engine."""


def everything_random(word, number):
    """The word, with noise drawn once for an even number and each epoch for an odd one."""
    when = ("once", "every_epoch")[number % 2]
    return ("augmentation=noise", f"augmentation.when={when}", "model.dropout=0.2",
            "model.batch_norm=true", word)  # fmt: skip


@pytest.mark.slow
@by_optimizer
def test_every_optimizer_and_every_schedule_go_on_bit_for_bit(tmp_path, optimizer):
    number, schedules = OPTIMIZERS.index(optimizer), choices("schedule")
    assert len(schedules) <= len(OPTIMIZERS)  # so that each of them has its turn
    words = everything_random(f"optimizer={optimizer}", number)
    compare_with_resumed(tmp_path, *words, f"schedule={schedules[number % len(schedules)]}")


def compare_with_resumed(tmp_path, *changes):
    # min_delta makes every epoch one without improvement: the rate is lowered on both sides.
    words = ["train.epochs=4", "callbacks.reduce_lr=true", "callbacks.reduce_lr.patience=0",
             "callbacks.reduce_lr.min_delta=1000", *changes]  # fmt: skip
    undisturbed = Run(tmp_path / "whole", *words)
    copy_of = undisturbed.copy_each_epoch(tmp_path)
    expected = undisturbed.train()
    again = Run(copy_of(2), *words)
    assert figures(again.resume().history) == figures(expected.history)
    assert len(again.view.rates) == 2 * STEPS
    assert len(set(column(expected, "learning_rate"))) >= 3
    assert_same_arrays(again.arrays, undisturbed.arrays)


@pytest.mark.slow
def test_callbacks_decide_the_same_wherever_the_run_is_broken_off(tmp_path, monkeypatch):
    # Better by more than both deltas, by one of them, by none; worse; 1.0 is never reached.
    losses = [9.0, 7.0, 6.95, 5.0, 5.2, 5.1, 5.15, 5.12, 4.0, 3.95, 4.2, 4.1, 4.3, 4.2, 1.0]
    words = ["train.epochs=15", "callbacks=default", "callbacks.early_stopping.patience=5",
             "callbacks.early_stopping.min_delta=0.1", "callbacks.reduce_lr.patience=2",
             "callbacks.reduce_lr.min_delta=0.01", "callbacks.reduce_lr.cooldown=2",
             "schedule=linear"]  # fmt: skip
    undisturbed = Run(tmp_path / "whole", *words)
    score = undisturbed.engine.evaluate

    def follow_the_script(run):
        def evaluate(split):
            return dataclasses.replace(score(split), loss=losses[len(run.loop.history)])

        monkeypatch.setattr(run.engine, "evaluate", evaluate)

    follow_the_script(undisturbed)
    copy_of = undisturbed.copy_each_epoch(tmp_path)
    expected = undisturbed.train()
    states = [
        json.loads((copy_of(epoch) / f"checkpoint/epoch-{epoch:05d}.json").read_text())["callbacks"]
        for epoch in column(expected, "epoch")
    ]
    # Breaks fall into each wait, into the cool-downs, before, between and after the reductions.
    parts = [
        (state["early_stopping"]["wait"], plateau["wait"], plateau["cooldown_left"],
         plateau["rate_factor"], state["checkpoint"]["best_epoch"])
        for state in states if (plateau := state["reduce_lr"])
    ]  # fmt: skip
    assert parts == [
        (0, 0, 0, 1.0, 1), (0, 0, 0, 1.0, 2), (1, 0, 0, 1.0, 3), (0, 0, 0, 1.0, 4),
        (1, 1, 0, 1.0, 4), (2, 0, 2, 0.5, 4), (3, 0, 1, 0.5, 4), (4, 1, 0, 0.5, 4),
        (0, 0, 0, 0.5, 9), (1, 0, 0, 0.5, 10), (2, 1, 0, 0.5, 10), (3, 0, 2, 0.25, 10),
        (4, 0, 1, 0.25, 10), (5, 1, 0, 0.25, 10),
    ]  # fmt: skip
    for epoch in column(expected, "epoch"):
        again = Run(copy_of(epoch), *words)
        follow_the_script(again)
        resumed = again.resume()
        assert figures(resumed.history) == figures(expected.history)
        assert (resumed.best_epoch, again.view.best) == (10, undisturbed.view.best[epoch:])
        last = json.loads((copy_of(epoch) / "checkpoint/epoch-00014.json").read_text())
        assert last["callbacks"] == states[-1]
        assert_same_arrays(again.arrays, undisturbed.arrays)


@pytest.mark.slow
def test_results_do_not_depend_on_the_machines_speed(tmp_path):
    slow, fast = Run(tmp_path / "slow", STATEFUL), Run(tmp_path / "fast", STATEFUL)
    fast.steps_per_call(1_000)
    assert figures(slow.train().history) == figures(fast.train().history)
    assert len(slow.view.rates) > len(fast.view.rates)


def diverge(here):
    with pytest.raises(TrainingError) as failed:
        here.train()
    return failed.value


def test_a_loss_that_is_not_finite_says_where_and_what_to_try(run):
    here = run("train.epochs=3 optimizer=sgd optimizer.learning_rate=1e30 model.batch_norm=false")
    error = diverge(here)
    assert "epoch 1, step 2, learning rate 1e+30" in error.received
    for advice in ("optimizer.learning_rate=0.01", "mlptrain rate", "schedule.warmup", "clip_norm"):
        assert advice in error.action
    assert error.exit_code == 1
    assert not here.folder.file("history.csv").exists()


@pytest.mark.slow
@by_optimizer
def test_an_absurd_rate_fails_where_the_loss_is_not_finite_or_all_figures_are(
    tmp_path, monkeypatch, optimizer
):
    """Of each optimizer; that of 1e10 is often finite, since batch norm divides by what it grew."""
    words = everything_random(f"optimizer={optimizer}", OPTIMIZERS.index(optimizer))
    assembly, *fresh = assembled(words)
    engine = assembly.engine
    train_steps, calls = engine.train_steps, []

    def listened(order, rates, first, *rest):
        calls.append((first, train_steps(order, rates, first, *rest)))
        return calls[-1][1]

    # Compiled once for both rates.
    monkeypatch.setattr(engine, "train_steps", listened)
    monkeypatch.setattr(engine, "free_training_memory", lambda: None)
    monkeypatch.setattr("mlptrain.training.engine.Engine", lambda *_: engine)
    for rate in ("1e10", "1e30"):
        changes = [f"optimizer.learning_rate={rate}", "train.epochs=3", "artifacts=minimal",
                   "logger=none"]  # fmt: skip
        engine.set_weights(fresh[0])
        engine.set_optimizer_state(fresh[1])
        calls.clear()
        folder = RunFolder(tmp_path / rate)
        folder.path.mkdir()
        try:
            metrics = finish_run(
                compose([*SMALL, *words, *changes]).config, folder, View(), ["mlptrain"]
            )
        except TrainingError as error:
            received = error.received
            epoch = sum(first == 0 for first, _ in calls)
            step = calls[-1][1].bad_step + 1 or STEPS  # or the epoch's last update ruined it
            where = f"NaN or infinity at epoch {epoch}, step {step}, learning rate {float(rate):g}"
            assert received == where
            facts = folder.read_json("run.json")
            assert (facts["status"], facts["reason"]) == ("failed", f"Training failed: {where}")
            assert all(totals.bad_step < 0 for _, totals in calls[:-1])
            assert all(math.isfinite(totals.loss) for _, totals in calls[:-1])
            assert not folder.file("metrics.json").exists()
        else:
            assert rate != "1e30" or optimizer == "adafactor"  # uses at most 1 / sqrt(step)
            assert folder.status() == "finished"
            assert all(value is None or math.isfinite(value) for value in metrics.values())
            assert all(math.isfinite(totals.loss) for _, totals in calls)
            with np.load(folder.file("predictions.npz")) as arrays:
                assert all(np.isfinite(arrays[part]).all() for part in arrays.files)


@pytest.mark.parametrize("fraction", [0, 0.1])
def test_weights_ruined_by_the_last_step_of_an_epoch_are_noticed_at_once(run, fraction):
    # One step an epoch: its loss is still that of the fresh weights.
    here = run(
        "train.epochs=1",
        "train.batch_size=100",
        "data.limit=100" if not fraction else "data.limit=111",
        f"data.validation_fraction={fraction}",
        "optimizer=sgd",
        "optimizer.learning_rate=1e38",
        "model.batch_norm=false",
        "initializer=random_normal",
        "initializer.stddev=100",
    )
    assert "epoch 1, step 1, learning rate 1e+38" in diverge(here).received
    assert not here.folder.file("checkpoint").exists()


def test_calls_grow_to_half_a_second_and_not_beyond():
    from mlptrain.training.loop import CallSize

    size = CallSize()
    size.measured(8, 20.0)  # the first call compiles
    assert size.steps == 8
    size.measured(8, 0.008)
    assert size.steps == 64
    for _ in range(5):
        size.measured(size.steps, size.steps / 1_000)
    assert size.steps == 500
    size.measured(500, 5.0)
    assert size.steps == 50
    size.measured(50, 1_000.0)
    assert size.steps == 1


def test_a_run_is_resumed_with_the_threads_it_started_with(run):
    from mlptrain.training.run import open_for_resume

    here = run()
    record = RunRecord(here.folder)
    record.start(here.config, ["mlptrain"])
    assert open_for_resume(here.folder.path)[1].runtime.threads is None
    record.facts({}, {"cpu": "", "cores": 8, "threads": 5, "accelerator": None})
    _, config = open_for_resume(here.folder.path)
    assert config.runtime.threads == 5
    assert config_hash(config) == config_hash(here.config)
