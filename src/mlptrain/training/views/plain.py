"""The interface of a view, and the one that prints plain lines."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from mlptrain.errors import printable
from mlptrain.finding import Finding
from mlptrain.formatting import BLANK, percent, resume_command, shown_path
from mlptrain.history import screen_columns
from mlptrain.training.views import panels
from mlptrain.training.views.panels import StartFacts

__all__ = ["PlainView", "StartFacts", "View"]


class View:
    """Receives what happens in a run. This one shows nothing; subclasses override what they show.

    Errors reach the user as exceptions, whichever view there is.
    """

    def start(self, facts: StartFacts) -> None:
        """Show what is known before the first epoch."""

    def epoch_started(self, epoch: int, epochs: int, steps: int) -> None:
        """Show that epoch `epoch` of `epochs`, counted from 1, begins; it has `steps` steps."""

    def step(self, step: int, loss: float, accuracy: float, learning_rate: float) -> None:
        """Show that `step` steps are done; loss and accuracy are averages of the epoch so far."""

    def epoch_done(self, row: Mapping[str, Any], best: bool) -> None:
        """Show a finished epoch: its row of history.csv, and whether it is the best so far."""

    def message(self, text: str) -> None:
        """Show a line of text."""

    def finish(
        self,
        metrics: Mapping[str, Any],
        files: list[tuple[str, str]],
        folder: Path,
        findings: Sequence[Finding] = (),
    ) -> None:
        """Show the content of metrics.json, the folder's files, findings, and what to type next."""

    def findings(self, findings: Sequence[Finding], folder: Path) -> None:
        """Show what is remarkable about the run, the most important first; it may be nothing."""

    def close(self) -> None:
        """Restore the terminal; may be called more than once, at any moment."""


class PlainView(View):
    """Prints plain lines, one per epoch, without control codes: for pipes and logs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._epochs = 0
        self._facts: StartFacts | None = None

    def _line(self, text: str = "") -> None:
        # A path with a character that the log's encoding lacks must not end a run.
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        shown = text.replace(BLANK, "-").encode(encoding, "replace").decode(encoding)
        print(shown, file=self._stream, flush=True)

    def start(self, facts: StartFacts) -> None:
        """Print the facts as `label: text`, then one line per layer."""
        self._facts = facts
        self._line(panels.title(facts))
        for label, text in panels.start_rows(facts, ", "):
            self._line(f"{label + ':':<10}{text}")
        self._line("model:")
        for name, shape, count in facts.layers:
            name, shape = printable(name), printable(shape)
            self._line(f"  {name:<28} {shape:<20} {count:>12,}")
        self._line(f"  {'total':<28} {'':<20} {facts.parameters:>12,}")
        self._line(f"to resume if stopped: {resume_command(facts.folder)}")

    def epoch_started(self, epoch: int, epochs: int, steps: int) -> None:
        """Remember the number of epochs."""
        self._epochs = epochs

    def epoch_done(self, row: Mapping[str, Any], best: bool) -> None:
        """Print one line."""
        total = str(self._epochs)
        self._line(
            f"epoch {row['epoch']:>{len(total)}}/{total}"
            + "".join(f"  {column.plain(row.get(column.key))}" for column in screen_columns()[1:])
            + f"  * best {(self._facts and self._facts.best_by) or ''}".rstrip() * best
        )

    def message(self, text: str) -> None:
        """Print the text as it is."""
        self._line(printable(text, keep="\n"))

    def finish(
        self,
        metrics: Mapping[str, Any],
        files: list[tuple[str, str]],
        folder: Path,
        findings: Sequence[Finding] = (),
    ) -> None:
        """Print the metrics, the files, the findings and the next commands."""
        self._line(panels.how_it_ended(metrics))
        if legend := panels.best_legend(self._facts, metrics):
            self._line(legend)
        for label, accuracy, loss in panels.FIGURES:
            figure = percent(metrics.get(accuracy))
            self._line(f"{label} {figure} ({panels.final_loss(metrics.get(loss), self._facts)})")
        for label, figure in panels.more_figures(metrics):
            self._line(f"{label} {figure}")
        self._line(f"files in {printable(shown_path(folder))}:")
        for name, meaning in files:
            self._line(f"  {printable(name):<28} {printable(meaning)}")
        self.findings(findings, folder)
        for command in panels.next_commands(files, folder):
            self._line(f"next: {command}")

    def findings(self, findings: Sequence[Finding], folder: Path) -> None:
        """Print at most three, each with the first command to try."""
        for text, command in panels.finding_lines(findings, folder):
            self._line(text)
            if command:
                self._line(f"  try: {command}")
