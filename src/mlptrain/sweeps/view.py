"""The display of a running sweep: a live table, plain lines, or nothing."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mlptrain.errors import printable
from mlptrain.formatting import duration, percent, time_left
from mlptrain.sweeps.ledger import Entry
from mlptrain.sweeps.progress import Progress, Running, Watch

_LOOK_SECONDS = 1.0
_PLAIN_SECONDS = 30.0
"""Interval of progress lines in a plain log, besides a line for each cell that ends."""

_WAITING = ("not started", "interrupted", "stale")


@contextmanager
def show(
    watch: Watch, progress: Literal["auto", "rich", "plain", "none"], stream: TextIO | None = None
) -> Iterator[None]:
    """Show the progress of the sweep while the block runs, from a separate thread.

    Args:
        watch: reads the folders.
        progress: `auto` means `rich` on a terminal, else `plain`.
        stream: where to write (default standard output).
    """
    stream = stream or sys.stdout
    console = Console(file=stream, highlight=False)
    terminal = stream.isatty() and not console.is_dumb_terminal and not console.options.ascii_only
    if progress == "none":
        yield
        return
    live = None
    if progress == "rich" or (progress == "auto" and terminal):
        live = Live(console=console, transient=True, auto_refresh=False)
        live.start()
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(watch, console, live, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        if live is not None:
            live.stop()


def _watch(watch: Watch, console: Console, live: Live | None, over: threading.Event) -> None:
    printed = time.monotonic()
    last = False
    while not last:
        last = over.wait(_LOOK_SECONDS)  # after the end, look once more
        now = watch.look()
        for entry in now.news:
            console.print(_ended(entry), soft_wrap=True)
        if live is not None:
            live.update(live_table(now, console.width), refresh=True)
        elif not last and time.monotonic() - printed >= _PLAIN_SECONDS:
            printed = time.monotonic()
            console.print(plain_line(now), soft_wrap=True)


def live_table(now: Progress, width: int) -> RenderableType:
    """Return the progress of the sweep, of each running cell, and the best cell so far."""
    number = Counter(entry.status for entry in now.entries)
    total = len(now.entries)
    share = number["done"] + sum(run.epoch / run.cell.config.train.epochs for run in now.running)
    head = Table.grid(padding=(0, 2, 0, 0), expand=True)
    head.add_column(no_wrap=True, style="bold")
    head.add_column(ratio=1)
    head.add_column(no_wrap=True, justify="right")
    head.add_row(_counted(now), ProgressBar(total, share), _time_left(now))
    cells = Table.grid(padding=(0, 2, 0, 0), expand=True)
    cells.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    cells.add_column(no_wrap=True, justify="right", style="dim")
    cells.add_column(width=max(6, min(20, width // 6)))
    cells.add_column(no_wrap=True, justify="right")
    for run in now.running:
        epochs = run.cell.config.train.epochs
        cells.add_row(
            Text(printable(run.cell.slug)),
            f"epoch {run.epoch}/{epochs}" if run.epoch else "starting",
            ProgressBar(epochs, run.epoch),
            f"val {percent(run.val_accuracy)}" if run.epoch else "",
        )
    parts: list[RenderableType] = [Text(), head, cells]
    if now.best is not None:
        parts.append(
            Text.assemble(
                ("★ best so far: ", "yellow"),
                (f"val {percent(now.best.metrics['val_accuracy'])}", "green"),
                f"  {printable(now.best.cell.slug)}",
                no_wrap=True,
                overflow="ellipsis",
            )
        )
    return Group(*parts)


def plain_line(now: Progress) -> Text:
    """Return the progress as one line."""
    return Text(", ".join([_counted(now), *map(_running_cell, now.running), _time_left(now)]))


def _counted(now: Progress) -> str:
    number: Counter[str] = Counter(entry.status for entry in now.entries)
    waiting = sum(number[status] for status in _WAITING)
    parts = [f"{number['done']}/{len(now.entries)} done"]
    parts += [f"{number['running']} running"] * (number["running"] > 0)
    parts += [f"{number['failed']} failed"] * (number["failed"] > 0)
    parts += [f"{waiting} waiting"] * (waiting > 0)
    return ", ".join(parts)


def _time_left(now: Progress) -> str:
    if all(entry.status in ("done", "failed") for entry in now.entries):
        return "finishing …"
    return "…" if now.seconds_left is None else time_left(now.seconds_left)


def _running_cell(run: Running) -> str:
    epochs = run.cell.config.train.epochs
    return f"{printable(run.cell.slug)} {run.epoch}/{epochs} val {percent(run.val_accuracy)}"


def _ended(entry: Entry) -> Text:
    """Return a line for a cell that ended."""
    name = printable(entry.cell.slug)
    if entry.status == "failed":
        return Text.assemble(("failed  ", "red"), name, f"  {printable(entry.reason or '')}")
    figures = f"val {percent(entry.metrics.get('val_accuracy'))}"
    parts = [duration(entry.seconds)] if entry.seconds is not None else []
    if entry.reason:  # such as: stopped early after 14 of 25 epochs
        parts.append(printable(entry.reason.partition(":")[0]))
    return Text.assemble(("done  ", "green"), f"{name}  {figures}  ", (", ".join(parts), "dim"))
