import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlptrain.config.compose import compose
from mlptrain.config.sizes import parameter_count, steps_per_epoch
from mlptrain.machine import cores, cpu_name, versions
from mlptrain.sweeps.estimate import Estimator, FinishedRun, Speed, known_runs, makespan, work

MINI = ["data=cifar10_mini", "train.epochs=10"]
SPEED = {
    "seconds_per_step": 0.01,
    "seconds_per_epoch": 0.5,
    "seconds_per_run": 2.0,
    "epochs": 10,
    "peak_memory_mib": 900.0,
}


@cache
def config(*words):
    return compose([*MINI, *words]).config


def known(*words, **speed):
    return FinishedRun(config(*words), Speed(**{**SPEED, **speed}))


@pytest.mark.parametrize(("model", "count"), [("mlp", 1_750_346), ("baseline", 98_666)])
def test_the_studys_nets_have_as_many_parameters_as_keras_counts(model, count):
    assert parameter_count(compose([f"model={model}"]).config) == count


class TestMakespan:
    @given(st.lists(st.integers(0, 1000)), st.integers(1, 9))
    def test_it_lies_between_perfect_sharing_and_no_sharing(self, seconds, workers):
        entire, longest = sum(seconds), max(seconds, default=0)
        span = makespan(seconds, workers)
        assert max(longest, entire / workers) <= span <= entire
        assert span <= entire / workers + longest

    @given(st.lists(st.integers(0, 1000)), st.lists(st.integers(0, 1000), max_size=4))
    def test_running_cells_are_finished_too(self, seconds, in_work):
        span = makespan(seconds, 4, in_work)
        assert max([0, *in_work], default=0) <= span
        assert (sum(seconds) + sum(in_work)) / 4 <= span <= sum(seconds) + max([0, *in_work])

    def test_the_longest_cell_starts_first(self):
        assert makespan([1, 1, 1, 3], 2) == 3

    def test_a_busy_worker_takes_its_next_cell_when_it_has_finished(self):
        assert makespan([4], 2, [1, 10]) == 10
        assert makespan([4], 2, [7, 10]) == 11

    def test_a_cell_does_not_wait_while_a_worker_is_free(self):
        assert makespan([4], 2, [10]) == 10


class TestSeconds:
    def test_a_cell_takes_as_long_as_an_earlier_run_of_the_same_cost(self):
        same = config("seed=9", "name=other", "init=zeros", "optimizer.learning_rate=0.5")
        expected = 2.0 + 10 * (0.5 + 0.01 * steps_per_epoch(same))
        assert Estimator([known()]).seconds(same) == pytest.approx(expected)

    def test_the_median_of_several_runs_of_the_same_cost_is_used(self):
        runs = [known(f"seed={seed}", seconds_per_run=took) for seed, took in
                enumerate([2.0, 3.0, 100.0])]  # fmt: skip
        assert Estimator(runs).seconds(config()) == Estimator([runs[1]]).seconds(config())

    def test_a_recipe_that_stopped_early_takes_its_mean_number_of_epochs(self):
        runs = [known("seed=1", epochs=4), known("seed=2", epochs=6)]
        new = config("seed=3")
        expected = 2.0 + 5 * (0.5 + 0.01 * steps_per_epoch(new))
        assert Estimator(runs).seconds(new) == pytest.approx(expected)

    def test_epochs_of_other_recipes_are_ignored(self):
        new = config("train.epochs=20")
        expected = 2.0 + 20 * (0.5 + 0.01 * steps_per_epoch(new))
        assert Estimator([known(epochs=4)]).seconds(new) == pytest.approx(expected)

    @pytest.mark.parametrize("override", [
        "model.dropout=0.5", "train.batch_size=32", "activation=tanh", "optimizer=adam",
        "augmentation=flip", "data.limit=100", "runtime.precision=mixed_bfloat16",
    ])  # fmt: skip
    def test_a_run_of_another_cost_gives_no_estimate(self, override):
        assert Estimator([known()]).seconds(config(override)) is None

    def test_the_strength_of_an_augmentation_has_no_cost(self):
        shifted = [known("augmentation=shift")]
        assert Estimator(shifted).seconds(config("augmentation=shift", "augmentation.shift=2"))

    def test_without_runs_there_is_no_estimate(self):
        assert Estimator([]).seconds(config()) is None


def test_longer_cells_come_first():
    cells = [
        config(*words)
        for words in (
            ["model=baseline", "train.epochs=1"],
            ["model=baseline"],
            ["model=mlp"],
            ["model=mlp", "train.epochs=30"],
        )
    ]
    amounts = [work(one) for one in cells]
    assert amounts == sorted(amounts)
    assert len(set(amounts)) == 4


class TestMemory:
    def test_memory_is_the_largest_of_runs_on_the_same_data(self):
        runs = [known(peak_memory_mib=mib) for mib in (700.0, 900.0, 800.0)]
        assert Estimator(runs).memory_mib(config("seed=5")) == 900

    def test_memory_of_runs_on_other_data_is_ignored(self):
        entire = FinishedRun(compose(["train.epochs=10"]).config, Speed(**SPEED))
        assert Estimator([entire]).memory_mib(config()) == Estimator([]).memory_mib(config()) > 900

    def test_a_tiny_run_does_not_vouch_for_large_images_noise_or_batches(self, tmp_path):
        def own_images(number, *words):
            rng = np.random.default_rng(0)
            path = tmp_path / f"{number}.npz"
            images = rng.integers(0, 256, (number, 32, 32, 3), np.uint8)
            arrays = {"x_train": images, "y_train": np.arange(number) % 2}
            np.savez(path, **arrays, x_test=images[:50], y_test=np.arange(50) % 2)
            return compose(["data=npz", f"data.path={path}", *words]).config

        tiny, large = own_images(100), own_images(4000, "augmentation=none")
        images = 4000 * 3072 / 2**20
        need = Estimator([FinishedRun(tiny, Speed(**SPEED))]).memory_mib(large)
        assert need == Estimator([]).memory_mib(large) > Estimator([]).memory_mib(tiny) + images
        seen = Estimator([FinishedRun(large, Speed(**SPEED))])
        assert seen.memory_mib(large) == 900
        for words in [["augmentation=noise"], ["augmentation=none", "train.batch_size=2000"]]:
            assert seen.memory_mib(own_images(4000, *words)) > 900 + images / 2

    def test_a_net_larger_than_any_earlier_one_needs_more_memory(self):
        estimator = Estimator([known("model=baseline")])
        sizes = [estimator.memory_mib(config(f"model.hidden=[{n}]")) for n in (8, 32, 512, 5000)]
        assert sizes[0] == 900
        assert sizes == sorted(sizes)
        assert sizes[3] > 900 + 5000 * 3072 * 4 * 4 / 2**20  # weights, gradients, two moments


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "outputs"


def facts():
    return {
        "status": "finished",
        "config": config().model_dump(),
        "machine": {"cpu": cpu_name(), "cores": cores(), "threads": 1, "accelerator": None},
        "versions": versions(),
        "speed": dict(SPEED),
    }


def write(folder, content):
    folder.mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "run.json").write_text(text)


@pytest.mark.parametrize("place", ["a-run", "a-sweep/a-cell"])
def test_finished_runs_of_this_machine_are_read(outputs, place):
    write(outputs / place, facts())
    assert known_runs(outputs, threads=1) == [known()]


def test_a_run_that_latest_points_to_is_read_once(outputs):
    write(outputs / "a-run", facts())
    (outputs / "latest").symlink_to("a-run")
    assert len(known_runs(outputs, threads=1)) == 1


OTHERS = {
    "another processor": {"machine": {**facts()["machine"], "cpu": "abacus"}},
    "another number of cores": {"machine": {**facts()["machine"], "cores": 10**6}},
    "other threads": {"machine": {**facts()["machine"], "threads": 2}},
    "another TensorFlow": {"versions": {**versions(), "tensorflow": "1.15.0"}},
    "another Keras": {"versions": {**versions(), "keras": "2.0.0"}},
    "no machine": {"machine": None},
    "running": {"status": "running"},
    "interrupted": {"status": "interrupted"},
    "failed": {"status": "failed"},
    "no speed": {"speed": None},
    "a run too short to tell": {"speed": {}},
    "a speed of words": {"speed": {**SPEED, "seconds_per_step": "fast"}},
    "a config of another version": {"config": {**facts()["config"], "new_key": 1}},
}


@pytest.mark.parametrize("difference", OTHERS)
def test_runs_of_other_machines_or_versions_are_ignored(outputs, difference):
    write(outputs / "other", {**facts(), **OTHERS[difference]})
    write(outputs / "mine", facts())
    assert known_runs(outputs, threads=1) == [known()]


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_speed_is_ignored(outputs, step):
    write(outputs / "odd", {**facts(), "speed": {**SPEED, "seconds_per_step": step}})
    write(outputs / "mine", facts())
    assert known_runs(outputs, threads=1) == [known()]


@pytest.mark.parametrize("content", ["", "{", "null", "[]", "3", '"x"', "{}"])
def test_damaged_runs_are_ignored(outputs, content):
    write(outputs / "damaged", content)
    write(outputs / "mine", facts())
    assert known_runs(outputs, threads=1) == [known()]
