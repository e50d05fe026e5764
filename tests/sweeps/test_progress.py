import pytest

from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.sweeps.cells import plan_sweep
from mlptrain.sweeps.estimate import Estimator, FinishedRun, Speed
from mlptrain.sweeps.ledger import read_ledger
from mlptrain.sweeps.progress import Watch

CELLS = plan_sweep(["data=cifar10_mini", "train.epochs=10", "seed=1,2,3"]).cells


class Sweep:
    """Three cells' folders, written as a worker writes them."""

    def __init__(self, root, cells=CELLS):
        self.root, self.cells = root / "outputs" / "seed", cells

    def start(self, number):
        folder = self.root / self.cells[number].folder_name
        folder.mkdir(parents=True)
        record = RunRecord(RunFolder(folder))
        record.start(self.cells[number].config, ["mlptrain"])
        return record

    def epochs(self, record, *accuracies, seconds=2.0):
        record.folder.write_history(
            {"epoch": epoch, "loss": 1.0, "accuracy": 0.5, "val_loss": None,
             "val_accuracy": accuracy, "learning_rate": 0.1,
             "seconds": 60.0 if epoch == 1 else seconds}
            for epoch, accuracy in enumerate(accuracies, 1)
        )  # fmt: skip

    def finish(self, record, speed=None, **metrics):
        record.folder.write_json("metrics.json", metrics)
        record.finish(speed or {})

    def watch(self, *known, workers=2):
        entries = read_ledger(self.root, self.root.parent, self.cells)
        return Watch(self.root, self.cells, entries, Estimator(known), workers)


@pytest.fixture
def sweep(tmp_path):
    return Sweep(tmp_path)


def known(number, seconds=100.0):
    """A run that took that long beside its epochs, which took next to nothing."""
    speed = Speed(seconds_per_step=1e-9, seconds_per_epoch=0, seconds_per_run=seconds, epochs=10,
                  peak_memory_mib=900)  # fmt: skip
    return FinishedRun(CELLS[number].config, speed)


def took(epochs, each, other):
    """The speed of a run with so many epochs, the seconds of each and of all else."""
    return {"seconds_per_step": 1e-9, "seconds_per_epoch": each, "seconds_per_run": other,
            "epochs": epochs, "peak_memory_mib": 900}  # fmt: skip


def lasting(record, seconds):
    record.folder.update_run(
        started="2025-06-01T12:00:00+00:00", finished=f"2025-06-01T12:00:{seconds:02d}+00:00"
    )


def news(watch):
    return [(entry.cell.slug, entry.status) for entry in watch.look().news]


def test_before_the_first_cell_there_is_no_progress(sweep):
    now = sweep.watch().look()
    assert (now.running, now.news, now.best) == ([], [], None)
    assert [entry.status for entry in now.entries] == ["not started"] * 3


def test_each_cell_that_ends_is_news_once(sweep):
    watch = sweep.watch()
    good, bad = sweep.start(0), sweep.start(1)
    assert news(watch) == []
    sweep.finish(good, val_accuracy=0.5)
    assert news(watch) == [("seed=1", "done")]
    bad.fail(ValueError("because"))
    assert news(watch) == [("seed=2", "failed")]
    assert news(watch) == []


def test_cells_that_ended_before_the_sweep_are_not_news(sweep):
    sweep.finish(sweep.start(0), val_accuracy=0.5)
    sweep.start(1).fail(ValueError("because"))
    assert news(sweep.watch()) == []


def test_an_interrupted_cell_waits_and_is_not_news(sweep):
    record = sweep.start(0)
    watch = sweep.watch()
    record.interrupt("SIGINT")
    now = watch.look()
    assert (now.news, now.running, now.entries[0].status) == ([], [], "interrupted")


def test_running_cells_have_epochs_and_accuracies(sweep):
    sweep.epochs(sweep.start(0), 0.3, 0.5, 0.4, seconds=2.0)
    sweep.start(2)
    first, second = sweep.watch().look().running
    assert (first.cell, first.epoch, first.val_accuracy) == (CELLS[0], 3, 0.4)
    assert first.epoch_seconds == 2.0  # the first epoch holds the compilation
    assert (second.cell, second.epoch, second.val_accuracy) == (CELLS[2], 0, None)
    assert second.epoch_seconds is None


def test_a_run_without_validation_has_epochs_but_no_accuracy(sweep):
    sweep.epochs(sweep.start(0), None, None)
    (run,) = sweep.watch().look().running
    assert (run.epoch, run.val_accuracy) == (2, None)


@pytest.mark.parametrize("content", [b"", b"epoch\n", b"\xff\xfe", b"\0"])
def test_a_damaged_history_counts_as_empty(sweep, content):
    sweep.start(0).folder.file("history.csv").write_bytes(content)
    (run,) = sweep.watch().look().running
    assert (run.epoch, run.val_accuracy) == (0, None)


def test_the_best_cell_has_the_highest_validation_accuracy(sweep):
    for number, accuracy in enumerate([0.4, 0.6, 0.5]):
        sweep.finish(sweep.start(number), val_accuracy=accuracy)
    assert sweep.watch().look().best.cell.slug == "seed=2"


def test_cells_without_validation_are_never_best(sweep):
    sweep.finish(sweep.start(0), val_accuracy=None)
    assert sweep.watch().look().best is None


class TestSecondsLeft:
    def test_unknown_without_an_estimate(self, sweep):
        watch = sweep.watch()
        record = sweep.start(0)
        assert watch.look().seconds_left is None
        sweep.epochs(record, 0.3)
        assert watch.look().seconds_left is None
        sweep.epochs(record, 0.3, 0.4)
        assert watch.look().seconds_left is not None

    def test_unknown_while_all_remaining_cells_are_in_their_first_epoch(self, sweep):
        for number in range(3):
            sweep.start(number)
        assert sweep.watch().look().seconds_left is None

    def test_a_cell_in_its_first_epoch_takes_as_long_as_the_others_from_their_start(self, sweep):
        sweep.finish(sweep.start(0))
        sweep.epochs(sweep.start(1), 0.3, 0.4, seconds=3.0)
        sweep.start(2)
        # Its first epoch compiles, as that of the other one did.
        assert sweep.watch().look().seconds_left == 60 + 9 * 3.0

    def test_a_running_cells_epochs_take_as_long_as_its_last_ones(self, sweep):
        for number in (0, 1):
            sweep.finish(sweep.start(number))
        sweep.epochs(sweep.start(2), 0.3, 0.4, 0.5, 0.6, seconds=3.0)
        assert sweep.watch().look().seconds_left == 6 * 3.0

    def test_waiting_cells_take_as_long_as_the_running_one_from_its_start(self, sweep):
        sweep.epochs(sweep.start(0), *[0.3] * 9, seconds=3.0)
        assert sweep.watch(workers=1).look().seconds_left == 3.0 + 2 * (60 + 9 * 3.0)

    def test_waiting_cells_with_half_the_epochs_take_half_of_the_epochs_time(self, tmp_path):
        cells = plan_sweep(["data=cifar10_mini", "train.epochs=10,5"]).cells
        sweep = Sweep(tmp_path, cells)
        sweep.epochs(sweep.start(0), 0.3, 0.4, seconds=60.0)
        assert sweep.watch(workers=1).look().seconds_left == 8 * 60.0 + 5 * 60.0

    def test_an_interrupted_cell_needs_only_the_rest_of_its_epochs(self, sweep):
        record = sweep.start(0)
        sweep.epochs(record, *[0.3] * 5)
        record.interrupt("SIGINT")
        assert sweep.watch(known(0), workers=1).look().seconds_left == pytest.approx(50 + 200)

    def test_a_finished_cell_tells_the_time_of_the_waiting_ones(self, sweep):
        watch = sweep.watch(known(0), workers=1)
        sweep.finish(sweep.start(0), speed=took(epochs=10, each=2.0, other=5.0))
        assert watch.look().seconds_left == pytest.approx(2 * (5.0 + 10 * 2.0))

    def test_cells_are_expected_to_stop_as_early_as_the_finished_ones(self, sweep):
        watch = sweep.watch(workers=1)
        sweep.finish(sweep.start(0), speed=took(epochs=5, each=2.0, other=1.0))
        sweep.epochs(sweep.start(1), 0.3, 0.4, 0.5, seconds=2.0)
        assert watch.look().seconds_left == pytest.approx((5 - 3) * 2.0 + 1.0 + 5 * 2.0)

    @pytest.mark.parametrize(("workers", "seconds"), [(1, 300), (2, 200), (3, 100), (8, 100)])
    def test_workers_share_the_waiting_cells(self, sweep, workers, seconds):
        assert sweep.watch(known(0), workers=workers).look().seconds_left == pytest.approx(seconds)

    def test_cells_that_took_half_their_estimate_halve_the_time_left(self, sweep):
        watch = sweep.watch(known(0), workers=1)
        record = sweep.start(0)
        sweep.finish(record)
        lasting(record, 50)
        assert watch.look().seconds_left == pytest.approx(2 * 50)

    def test_nothing_is_left_when_all_cells_have_ended(self, sweep):
        sweep.finish(sweep.start(0))
        sweep.finish(sweep.start(1))
        sweep.start(2).fail(ValueError("because"))
        assert sweep.watch(known(0)).look().seconds_left == 0
