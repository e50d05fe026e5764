import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from terminal import Terminal

from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.sweeps.cells import plan_sweep
from mlptrain.sweeps.estimate import Estimator
from mlptrain.sweeps.ledger import Entry, read_ledger
from mlptrain.sweeps.progress import Progress, Running, Watch
from mlptrain.sweeps.view import live_table, plain_line, show

CELLS = plan_sweep(["data=cifar10_mini", "train.epochs=10", "seed=1,2,3,4,5"]).cells
RED = "\x1b[31mred"


def entry(number, status, **changes):
    known = {"reason": None, "metrics": {}, "folder": Path("nowhere")}
    return Entry(cell=CELLS[number], status=status, **{**known, **changes})


def running(number=1, epoch=4, val_accuracy=0.412):
    return Running(CELLS[number], epoch, val_accuracy, 2.0)


def moment(**changes):
    entries = [
        entry(0, "done", metrics={"val_accuracy": 0.573}),
        entry(1, "running"),
        entry(2, "failed", reason="because"),
        entry(3, "not started"),
        entry(4, "stale"),
    ]
    known = {
        "entries": entries,
        "running": [running()],
        "news": [],
        "best": entries[0],
        "seconds_left": 134.2,
    }
    return Progress(**{**known, **changes})


def renamed(now, slug):
    """The same with another name for every cell that is shown."""
    best = replace(now.best, cell=replace(now.best.cell, slug=slug))
    running = [replace(run, cell=replace(run.cell, slug=slug)) for run in now.running]
    return replace(now, best=best, running=running)


def live(now, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(live_table(now, width))
    return console.file.getvalue()


def plain(now):
    console = Console(file=io.StringIO(), width=80)
    console.print(plain_line(now), soft_wrap=True)
    return console.file.getvalue()


@pytest.mark.parametrize("view", [live, plain])
def test_cells_are_counted_by_state(view):
    assert "1/5 done, 1 running, 1 failed, 2 waiting" in view(moment())


@pytest.mark.parametrize("view", [live, plain])
def test_a_state_without_cells_is_left_out(view):
    text = view(moment(entries=[entry(0, "done", metrics={"val_accuracy": 0.5})], running=[]))
    assert "1/1 done" in text
    for word in ("running", "failed", "waiting"):
        assert word not in text


@pytest.mark.parametrize("view", [live, plain])
@pytest.mark.parametrize(("seconds", "text"), [(134.2, "about 2 min 14 s left"), (None, "…")])
def test_the_time_left_is_shown_once_it_is_known(view, seconds, text):
    assert text in view(moment(seconds_left=seconds, entries=moment().entries[:2]))


@pytest.mark.parametrize("view", [live, plain])
def test_when_all_cells_have_ended_no_time_is_left(view):
    ended = [entry(0, "done", metrics={"val_accuracy": 0.5}), entry(1, "failed")]
    text = view(moment(entries=ended, running=[], seconds_left=0.0))
    assert "finishing" in text
    assert "left" not in text


@pytest.mark.parametrize("view", [live, plain])
def test_each_running_cell_has_its_epoch_and_accuracy(view):
    text = view(moment(running=[running(1), running(3, 9, 0.5)]))
    for figure in ("seed=2", "4/10", "val 41.2 %", "seed=4", "9/10", "val 50.0 %"):
        assert figure in text


def test_before_its_first_epoch_a_cell_is_starting():
    text = live(moment(running=[running(epoch=0, val_accuracy=None)]))
    assert "starting" in text
    assert "0/10" not in text


def test_the_best_cell_has_a_star():
    (line,) = [line for line in live(moment()).splitlines() if "★" in line]
    assert line.split() == ["★", "best", "so", "far:", "val", "57.3", "%", "seed=1"]
    assert "★" not in live(moment(best=None))


@pytest.mark.parametrize("view", [live, plain])
def test_a_name_is_shown_without_markup_or_control_codes(view):
    text = view(renamed(moment(), f"[bold]x[/nonsense]{RED}"))
    assert r"[bold]x[/nonsense]\x1b[31mred" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("slug", ["seed=2", "x" * 80])
def test_the_live_table_is_never_wider_than_the_terminal(width, slug):
    text = live(renamed(moment(), slug), width)
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) == 4  # blank, head, one cell, best


def test_on_a_narrow_terminal_only_the_cells_name_is_cut():
    text = live(renamed(moment(), "optimizer=adam" * 5), 40)
    for figure in ("1/5 done", "epoch 4/10", "val 41.2 %", "val 57.3 %", "optim"):
        assert figure in text


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """What a user sees of a sweep whose cells end one way or another."""
    monkeypatch.setenv("TERM", "xterm")
    root = tmp_path / "outputs" / "seed"

    def call(progress, stream=None):
        stream = stream or io.StringIO()
        watch = Watch(root, CELLS, read_ledger(root, root.parent, CELLS), Estimator([]), 2)
        with show(watch, progress, stream):
            for number, error in enumerate([None, ValueError(f"[no] markup\n{RED}")]):
                record = RunRecord(RunFolder(root / CELLS[number].folder_name))
                record.folder.path.mkdir(parents=True)
                record.start(CELLS[number].config, ["mlptrain"])
                if error is not None:
                    record.fail(error)
                    continue
                record.folder.write_json("metrics.json", {"val_accuracy": 0.573})
                record.finish({}, "stopped early after 3 of 10 epochs: val_loss had not improved")
        return stream.getvalue()

    return call


@pytest.mark.parametrize("progress", ["auto", "plain", "rich"])
def test_a_cell_that_ends_last_is_still_printed(shown, progress):
    text = shown(progress)
    assert "done  seed=1-" not in text
    assert "done  seed=1  val 57.3 %" in text
    assert "stopped early after 3 of 10 epochs\n" in text
    assert r"failed  seed=2  ValueError: [no] markup\n\x1b[31mred" in text


@pytest.mark.parametrize("progress", ["auto", "plain"])
def test_in_a_pipe_there_are_no_control_codes(shown, progress):
    assert all(c.isprintable() or c == "\n" for c in shown(progress))


@pytest.mark.parametrize(("progress", "live"), [("auto", True), ("rich", True), ("plain", False)])
def test_on_a_terminal_the_table_is_live_and_the_cursor_comes_back(shown, progress, live):
    text = shown(progress, Terminal())
    assert ("\x1b[?25l" in text) is live
    assert text.rfind("\x1b[?25h") >= text.rfind("\x1b[?25l")
    assert ("1/5 done" in text) is live


def test_progress_none_prints_nothing(shown):
    assert shown("none", Terminal()) == ""
