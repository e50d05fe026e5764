import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from terminal import Terminal

from mlptrain.errors import printable
from mlptrain.finding import Finding
from mlptrain.formatting import duration, percent, time_left
from mlptrain.training.views import make_view
from mlptrain.training.views.panels import blocks
from mlptrain.training.views.plain import PlainView, StartFacts
from mlptrain.training.views.rich import RichView

FOLDER = Path("outputs/2025-06-01_12-00-00-1a2b3c4d-x9y8")
METRICS = {
    "train_accuracy": 0.735,
    "train_loss": 0.792,
    "val_accuracy": 0.585,
    "val_loss": 1.2,
    "test_accuracy": 0.573,
    "test_loss": 1.234,
    "test_top5_accuracy": 0.861,
    "parameters": 1_750_346,
    "best_epoch": 2,
    "epochs_run": 3,
    "seconds": 134.2,
}
FILES = [("model.keras", "takes raw uint8 images"), ("tensorboard/", "for TensorBoard")]


def facts(**changes):
    known = {
        "versions": {"python": "3.11.7", "tensorflow": "2.21.0", "mlptrain": "0.1.0"},
        "accelerator": "",
        "threads": 2,
        "data_source": "cifar10 from the cache",
        "split_sizes": {"train": 45_000, "validation": 5_000, "test": 10_000},
        "classes": "10, 4,500 training images each",
        "layers": [("flatten", "(None, 3072)", 0), ("dense", "(None, 512)", 1_573_376)],
        "parameters": 1_573_376,
        "recipe": "mlp 512, relu, rmsprop 0.001",
        "folder": FOLDER,
    }
    return StartFacts(**{**known, **changes})


def row(epoch, **changes):
    known = {
        "epoch": epoch,
        "loss": 2.0 - epoch / 10,
        "accuracy": 0.3 + epoch / 100,
        "val_loss": 1.9 - epoch / 10,
        "val_accuracy": 0.35 + epoch / 100,
        "learning_rate": 0.001,
        "seconds": 4.2,
    }
    return {**known, **changes}


def whole_run(view, **changes):
    view.start(facts(**changes))
    for epoch in (1, 2, 3):
        view.epoch_started(epoch, 3, 100)
        view.step(50, 1.9, 0.3, 0.001)
        view.step(100, 1.8, 0.32, 0.001)
        view.epoch_done(row(epoch), best=epoch < 3)
    view.message("stopped early")
    view.finish(METRICS, FILES, FOLDER)
    view.close()
    view.close()


def plain(**changes):
    stream = io.StringIO()
    whole_run(PlainView(stream), **changes)
    return stream.getvalue()


def rich(width=100, terminal=True, **changes):
    stream = Terminal()
    console = Console(
        file=stream, width=width, height=30, force_terminal=terminal, color_system=None
    )
    whole_run(RichView(console), **changes)
    return stream.getvalue()


def test_plain_has_one_line_per_epoch_and_none_per_step():
    lines = [line for line in plain().splitlines() if line.startswith("epoch ")]
    assert lines == [
        "epoch 1/3  loss 1.9000  accuracy 31.0 %  val_loss 1.8000  val_accuracy 36.0 %"
        "  learning_rate 0.001  4.2 s  * best",
        "epoch 2/3  loss 1.8000  accuracy 32.0 %  val_loss 1.7000  val_accuracy 37.0 %"
        "  learning_rate 0.001  4.2 s  * best",
        "epoch 3/3  loss 1.7000  accuracy 33.0 %  val_loss 1.6000  val_accuracy 38.0 %"
        "  learning_rate 0.001  4.2 s",
    ]


def test_plain_has_no_control_codes_and_only_ascii():
    text = plain()
    assert text.isascii()
    assert all(c.isprintable() or c == "\n" for c in text)


EVERYTHING = [
    "mlptrain 0.1.0",
    "TensorFlow 2.21.0",
    "none: CPU with 2 threads",
    "cifar10 from the cache",
    "train 45,000",
    "mlp 512, relu, rmsprop 0.001",
    str(FOLDER),
    "1,573,376",
    "stopped early",
    "Finished 3 epochs; metrics are from the best epoch, 2.",
    "2 min 14 s",
    "73.5 %",
    "58.5 %",
    "57.3 %",
    "86.1 %",
    "1,750,346",
    "takes raw uint8 images",
    f"mlptrain resume {FOLDER}",
    f"mlptrain report {FOLDER}",
    f"mlptrain --like {FOLDER} KEY=VALUE",
    f"tensorboard --logdir {FOLDER}/tensorboard",
]


@pytest.mark.parametrize("show", [plain, rich])
def test_a_view_says_everything_the_user_needs(show):
    text = show()
    assert [figure for figure in EVERYTHING if figure not in text] == []


def test_plain_prints_the_accuracies_as_the_study_does():
    assert "Train accuracy 73.5 %" in plain()
    assert "Test accuracy 57.3 %" in plain()


def test_rich_marks_the_epoch_that_counts_and_says_by_what():
    lines = rich(terminal=False, best_by="val_loss").splitlines()
    (place,) = [place for place, line in enumerate(lines) if "★" in line]
    assert lines[place].split()[:2] == ["★", "2/3"]
    assert "37.0 %" in lines[place]
    assert lines[place + 1].strip() == "best epoch: 2, with the lowest val_loss"


def test_no_epoch_is_marked_where_the_last_one_counts():
    assert "★" not in rich()
    assert "lowest" not in rich() + plain()


def test_plain_says_by_what_an_epoch_is_the_best():
    text = plain(best_by="val_accuracy")
    assert text.count("* best val_accuracy\n") == 2
    assert "best epoch: 2, with the highest val_accuracy\n" in text


def test_a_resumed_run_names_the_best_epoch_of_its_earlier_part():
    stream = io.StringIO()
    view = RichView(Console(file=stream, width=80))
    view.start(facts(best_by="val_loss", resumed_from_epoch=3))
    view.finish(METRICS, FILES, FOLDER)
    assert "★ best epoch: 2, with the lowest val_loss" in stream.getvalue()


@pytest.mark.parametrize("show", [plain, rich])
def test_losses_with_a_penalty_are_named_so(show):
    assert "loss with penalty 1.2340" in show(losses_have_penalty=True)
    assert "penalty" not in show()


@pytest.mark.parametrize("show", [plain, rich])
def test_tensorboard_is_suggested_where_it_is_installed(show, monkeypatch):
    assert "tensorboard --logdir" in show()
    monkeypatch.setattr("mlptrain.training.views.panels.find_spec", lambda name: None)
    assert "tensorboard --logdir" not in show()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_rich_never_prints_wider_than_the_terminal(width):
    text = rich(width, terminal=False)
    commands = ("mlptrain", "tensorboard")
    for line in text.splitlines():
        # What is meant to be copied is left whole.
        if not line.strip().startswith(commands):
            assert len(line) <= width


def test_rich_keeps_all_columns_at_60_characters():
    lines = rich(60, terminal=False).splitlines()
    assert any(
        line.split() == ["epoch", "loss", "acc", "val_loss", "val_acc", "lr", "s"] for line in lines
    )
    assert any(line.split()[-2:] == ["0.001", "4.2"] for line in lines)


def test_gpus_are_named():
    assert "NVIDIA H100" in plain(accelerator="NVIDIA H100")


def test_a_resumed_run_says_from_where():
    assert "resumed after epoch 7" in plain(resumed_from_epoch=7)
    assert "resumed after epoch 7" in rich(resumed_from_epoch=7)


@pytest.mark.parametrize("show", [plain, rich])
def test_text_of_others_is_neither_markup_nor_control_codes(show):
    text = show(recipe="[bold]x[/bold] [/nonsense] \x1b[31mred")
    assert "[bold]x[/bold] [/nonsense]" in text
    assert "\x1b[31m" not in text
    assert r"\x1b[31mred" in text


@pytest.mark.parametrize("view", [PlainView, lambda s: RichView(Console(file=s, width=80))])
def test_a_run_without_validation_shows_no_figures_for_it(view):
    stream = io.StringIO()
    view = view(stream)
    view.epoch_started(1, 1, 10)
    view.epoch_done(row(1, val_loss=None, val_accuracy=float("nan")), best=False)
    view.finish({"train_accuracy": 0.5, "train_loss": 1.0}, [], FOLDER)
    assert "None" not in stream.getvalue()
    assert "nan" not in stream.getvalue()


def test_the_live_display_shows_the_time_left_of_the_whole_run():
    now = [0.0]
    console = Console(file=io.StringIO(), width=80, record=True)
    view = RichView(console, clock=lambda: now[0])
    view.epoch_started(1, 10, 100)
    now[0] = 30.0
    view.step(50, 1.5, 0.45, 0.001)
    console.print(view.progress())
    shown = console.export_text()
    # Half an epoch took 30 s, nine and a half are left.
    assert "about 9 min 30 s left" in shown
    assert "epoch 1/10" in shown
    assert "50/100 steps" in shown
    assert "loss 1.5000  acc 45.0 %  lr 0.001" in shown
    view.close()


def test_compiling_is_not_taken_for_the_time_of_every_epoch():
    now = [0.0]
    view = RichView(Console(file=io.StringIO(), width=80), clock=lambda: now[0])

    def shown():
        console = Console(file=io.StringIO(), width=80)
        console.print(view.progress())
        return console.file.getvalue()

    view.epoch_started(1, 10, 100)
    now[0] = 60.0
    view.step(10, 1.5, 0.45, 0.001)
    now[0] = 69.0
    view.step(100, 1.5, 0.45, 0.001)  # an epoch takes 10 s, besides 59 s of compiling
    assert "about 1 min 30 s left" in shown()
    view.epoch_done(row(1), best=True)
    view.epoch_started(2, 10, 100)
    now[0] = 79.0
    view.epoch_done(row(2), best=True)
    assert "about 1 min 20 s left" in shown()
    view.close()


def test_closing_gives_the_cursor_back_after_an_interrupt():
    stream = Terminal()
    view = RichView(Console(file=stream, width=80, height=24, force_terminal=True))
    view.epoch_started(1, 10, 100)
    assert stream.getvalue().startswith("\x1b[?25l")
    view.close()
    assert "\x1b[?25h" in stream.getvalue()


def test_auto_is_rich_on_a_terminal_and_plain_in_a_pipe(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(make_view("auto", Terminal()), RichView)
    assert isinstance(make_view("auto", io.StringIO()), PlainView)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_view("auto", Terminal()), PlainView)


def test_progress_can_be_chosen(capsys):
    assert isinstance(make_view("plain", Terminal()), PlainView)
    assert isinstance(make_view("rich", io.StringIO()), RichView)
    whole_run(make_view("none"))
    assert capsys.readouterr() == ("", "")


def test_a_stream_that_cannot_write_a_character_does_not_end_the_run():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    view = make_view("rich", stream)
    assert isinstance(view, PlainView)
    whole_run(view, data_source="café")
    stream.seek(0)
    assert "caf?" in stream.read()


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    console = Console(file=stream, width=100, force_terminal=True)
    RichView(console).start(facts())
    assert "\x1b[36m" not in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "less than 1 s left"), (0.4, "less than 1 s left"), (5.2, "about 5 s left"),
     (42.0, "about 42 s left"), (134.2, "about 2 min 14 s left")],
)  # fmt: skip
def test_an_estimate_has_no_fractions_of_a_second(seconds, text):
    assert time_left(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.04 s"), (9.5, "9.5 s"), (59.4, "59 s"), (134.2, "2 min 14 s"), (7260, "2 h 01 min")],
)
def test_durations_read_naturally(seconds, text):
    assert duration(seconds) == text


def test_figures_and_bars():
    assert percent(0.7354) == "73.5 %"
    assert percent(None) == percent(float("nan"))
    assert blocks(0.5, 4) == "██  "
    assert blocks(2.0, 2) == "██"
    assert blocks(None, 2) == "  "
    assert printable("a\x1b\u202eb\n") == r"a\x1b\u202eb\n"


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        ({"best_epoch": 9, "epochs_run": 14, "reason":
          "stopped early after 14 of 25 epochs: val_loss had not improved for 5"},
         "Stopped early after 14 of 25 epochs: val_loss had not improved for 5; "
         "metrics are from the best epoch, 9."),
        ({"best_epoch": 3, "epochs_run": 3, "reason": None},
         "Finished 3 epochs; metrics are from the last epoch."),
        ({"best_epoch": 1, "epochs_run": 1}, "Finished 1 epoch; metrics are from the last epoch."),
        ({}, "Finished."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("make", [PlainView, lambda s: RichView(Console(file=s, width=200))])
def test_the_end_says_how_the_run_ended(make, metrics, sentence):
    stream = io.StringIO()
    make(stream).finish(metrics, [], FOLDER)
    assert sentence in stream.getvalue()


@pytest.mark.parametrize("make", [PlainView, lambda s: RichView(Console(file=s, width=200))])
def test_findings_stand_before_what_to_type_next(make):
    stream = io.StringIO()
    finding = Finding(
        "overfit", "high", "Training is far ahead.", {}, ("mlptrain model.dropout=0.5",)
    )
    make(stream).finish(METRICS, FILES, FOLDER, [finding])
    *_, before, after = re.split("Training is far ahead|next", stream.getvalue(), maxsplit=2)
    assert "mlptrain model.dropout=0.5" in before
    assert "tensorboard --logdir" not in before
    assert "mlptrain" in after
