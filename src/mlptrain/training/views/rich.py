"""The view for a terminal: panels, a table of epochs that scrolls, and two live bars."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mlptrain.errors import printable
from mlptrain.finding import Finding
from mlptrain.formatting import (
    known,
    loss_text,
    percent,
    rate_text,
    resume_command,
    shown_path,
    time_left,
)
from mlptrain.history import COLUMNS, best_in_words, screen_columns
from mlptrain.training.views import panels
from mlptrain.training.views.panels import StartFacts
from mlptrain.training.views.plain import View

STAR = "★"


class RichView(View):
    """Shows panels and a live display.

    Finished epochs stay as rows of a table that scrolls up. Below it, two bars show the progress
    of the epoch and of the run. A thread draws them four times a second, so `step` only stores
    its values.
    """

    def __init__(
        self, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or Console(highlight=False)
        self._clock = clock
        self._epoch = self._epochs = self._steps = self._step = 0
        self._figures: tuple[float, float, float] | None = None
        self._facts: StartFacts | None = None
        self._best: Mapping[str, Any] | None = None
        self._epoch_start = 0.0
        self._durations: list[float] = []
        self._first_step: tuple[float, float] | None = None
        self._header_shown = False
        self._live: Live | None = None

    def start(self, facts: StartFacts) -> None:
        """Print the facts in a frame, and the model as a table."""
        self._facts = facts
        self._console.print(panels.start_panels(facts, self._console.width))
        self._commands("Ctrl-C stops; to resume", resume_command(facts.folder))
        self._console.print()

    def epoch_started(self, epoch: int, epochs: int, steps: int) -> None:
        """Start the epoch's bar from zero."""
        self._epoch, self._epochs, self._steps, self._step = epoch, epochs, steps, 0
        self._epoch_start = self._clock()
        if self._live is None:
            # A stopped `Live` cannot be used again: it would erase the lines above it.
            self._live = Live(
                console=self._console,
                get_renderable=self.progress,
                refresh_per_second=4,
                transient=True,
            )
            self._live.start(refresh=True)

    def step(self, step: int, loss: float, accuracy: float, learning_rate: float) -> None:
        """Store the values for the next time the display is drawn."""
        self._step = step
        if self._first_step is None:
            self._first_step = (self._clock(), step / self._steps)
        self._figures = (loss, accuracy, learning_rate)

    def epoch_done(self, row: Mapping[str, Any], best: bool) -> None:
        """Print a row of the table; which epoch is the best is known at the end."""
        self._durations.append(self._clock() - self._epoch_start)
        self._step = self._steps
        if best:
            self._best = row
        lines = [self._table_line(row)]
        if not self._header_shown:
            self._header_shown = True
            lines.insert(0, self._table_header())
        self._console.print(*lines, sep="\n", no_wrap=True, overflow="crop")

    def _widths(self) -> tuple[int, ...]:
        epoch = max(2 * len(str(self._epochs)) + 1, 5)
        gap = 1 if self._console.width < 72 else 3
        return (epoch + gap, *(column.width + gap for column in screen_columns()[1:]))

    def _table_header(self) -> Text:
        columns = zip(screen_columns(), self._widths(), strict=True)
        cells = (f"{column.label:>{width}}" for column, width in columns)
        return Text(" " + "".join(cells), style="cyan")

    def _table_line(self, row: Mapping[str, Any], best: bool = False) -> Text:
        line = Text(STAR if best else " ", style="yellow" if best else "")
        for column, width in zip(screen_columns(), self._widths(), strict=True):
            text = column.text(row.get(column.key))
            if column.key == "epoch":
                text += f"/{self._epochs}"
            style = "dim" if column.is_dim else ""
            if best:
                style = "bold green" if column.key.startswith("val_") else "bold"
            line.append(f"{text:>{width}}", style=style)
        # The bars of successive epochs form the learning curve, from top to bottom.
        if (room := self._console.width - line.cell_len - 4) >= 16:
            bar = panels.blocks(_accuracy(row), min(room, 40))
            line.append("   ").append(bar, style="green" if best else "cyan")
        return line

    def progress(self) -> RenderableType:
        """Return the two bars and the current figures; the live display's thread draws them."""
        if not self._epochs:
            return ""
        share = self._step / self._steps if self._steps else 0.0
        overall = (self._epoch - 1 + share) / self._epochs
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(no_wrap=True, style="bold")
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_row(
            f"epoch {self._epoch}/{self._epochs}",
            ProgressBar(self._steps or None, self._step, pulse=self._step == 0),
            "evaluating" if self._step == self._steps else f"{self._step}/{self._steps} steps",
        )
        grid.add_row("whole run", ProgressBar(1.0, overall), self._time_left(share))
        bars = Group(grid, self._current())
        # The start ends with an empty line; the table does not.
        return Group(Text(), bars) if self._header_shown else bars

    def _time_left(self, share: float) -> str:
        # The first epoch and its first call compile. A machine's speed drifts, so only the last
        # few epochs count.
        if recent := self._durations[1:][-5:] or self._durations:
            each = sum(recent) / len(recent)
        elif self._first_step is not None and share > self._first_step[1]:
            began, before = self._first_step
            each = (self._clock() - began) / (share - before)
        elif share > 0:
            each = (self._clock() - self._epoch_start) / share
        else:
            return "…"
        return time_left(each * (self._epochs - self._epoch) + max(each * (1 - share), 0.0))

    def _current(self) -> Text:
        if self._figures is None:
            return Text("building the graph, the first step takes a moment", style="dim")
        loss, accuracy, learning_rate = self._figures
        parts: list[str | tuple[str, str]] = [
            ("loss ", "dim"),
            loss_text(loss),
            ("  acc ", "dim"),
            percent(accuracy),
            ("  lr ", "dim"),
            rate_text(learning_rate),
        ]
        if self._best is not None and self._facts is not None and self._facts.best_by:
            key = self._facts.best_by
            value = next(c.text(self._best.get(key)) for c in COLUMNS if c.key == key)
            best = f"{best_in_words(key)} {value} in epoch {self._best['epoch']}"
            parts += [("  best so far ", "dim"), (best, "green")]
        return Text.assemble(*parts, no_wrap=True, overflow="crop")

    def message(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(Text(printable(text, keep="\n")))

    def finish(
        self,
        metrics: Mapping[str, Any],
        files: list[tuple[str, str]],
        folder: Path,
        findings: Sequence[Finding] = (),
    ) -> None:
        """Print the metrics in a frame, the files, the findings, and the next commands."""
        self.close()
        console = self._console
        if legend := panels.best_legend(self._facts, metrics):
            star = f"{STAR} "
            if self._best is not None and self._best["epoch"] == metrics["best_epoch"]:
                line = self._table_line(self._best, best=True)
                console.print(line, no_wrap=True, overflow="crop")
                star = "  "
            console.print(Text(f"{star}{legend}", style="yellow"))
        console.print()
        console.print(panels.finish_panel(metrics, self._facts, console.width))
        console.print(Text(printable(shown_path(folder)), style="bold"))
        console.print(panels.files_table(files))
        self.findings(findings, folder)
        self._commands("next", *panels.next_commands(files, folder))

    def findings(self, findings: Sequence[Finding], folder: Path) -> None:
        """Print at most three, each with the first command to try."""
        self.close()
        styles = {"high": "bold red", "medium": "yellow"}
        lines = panels.finding_lines(findings, folder)
        severities = [item.severity for item in findings[: panels.MOST_FINDINGS]]
        for place, (text, command) in enumerate(lines):
            severity = severities[place] if place < len(severities) else "low"
            self._console.print(Text(text, style=styles.get(severity, "")))
            if command:
                self._console.print(Text(f"  {command}", style="cyan"), soft_wrap=True)

    def _commands(self, heading: str, *commands: str) -> None:
        self._console.print(Text(heading, style="dim"))
        for command in commands:
            # Not wrapped, so that it can be copied from a narrow window.
            self._console.print(Text(f"  {command}", style="cyan"), soft_wrap=True)

    def close(self) -> None:
        """Remove the bars and keep the table."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def _accuracy(row: Mapping[str, Any]) -> Any:
    """Return the validation accuracy, or the training accuracy of a run without validation."""
    return row["val_accuracy"] if known(row.get("val_accuracy")) else row.get("accuracy")
