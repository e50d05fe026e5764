"""The facts before a run's first epoch and its results after the last, as text and as panels."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mlptrain.errors import printable
from mlptrain.finding import Finding
from mlptrain.formatting import (
    duration,
    known,
    like_command,
    loss_text,
    percent,
    quantity,
    report_command,
    shown_path,
)
from mlptrain.history import best_in_words
from mlptrain.store import names

_LIBRARIES = {"python": "Python", "tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy"}
FIGURES = (
    ("Train accuracy", "train_accuracy", "train_loss"),
    ("Validation accuracy", "val_accuracy", "val_loss"),
    ("Test accuracy", "test_accuracy", "test_loss"),
)
"""Label, and keys of accuracy and loss in metrics.json, in the order in which they are shown."""

MOST_FINDINGS = 3
"""At the end of a run; `mlptrain explain` shows all."""


@dataclass(frozen=True)
class StartFacts:
    """The facts that are shown before the first epoch.

    Attributes:
        versions: package → version; `mlptrain` gives the title, the others follow in order.
        accelerator: name of the GPU; empty if there is none.
        threads: number of CPU threads.
        data_source: the data set and where it comes from.
        split_sizes: split → number of images.
        classes: how many, the images of each, and what guessing would score.
        layers: name, output shape and parameter count of each layer, in order.
        parameters: total number of the model's parameters.
        recipe: the config's choices in one line.
        folder: the run folder.
        best_by: the metric whose best epoch's weights are kept; None if the last epoch's are.
        losses_have_penalty: whether every loss contains an L1 or L2 penalty.
        resumed_from_epoch: last epoch that was finished before; None for a new run.
    """

    versions: dict[str, str]
    accelerator: str
    threads: int
    data_source: str
    split_sizes: dict[str, int]
    classes: str
    layers: list[tuple[str, str, int]]
    parameters: int
    recipe: str
    folder: Path
    best_by: str | None = None
    losses_have_penalty: bool = False
    resumed_from_epoch: int | None = None


def title(facts: StartFacts) -> str:
    """Return "mlptrain 0.1.0", with the last finished epoch of a resumed run."""
    epoch = facts.resumed_from_epoch
    resumed = "" if epoch is None else f", resumed after epoch {epoch}"
    return printable(f"mlptrain {facts.versions.get('mlptrain', '')}".rstrip() + resumed)


def start_rows(facts: StartFacts, separator: str) -> list[tuple[str, str]]:
    """Return label and text of each fact, without control codes."""
    versions = [
        f"{_LIBRARIES.get(package, package)} {version}"
        for package, version in facts.versions.items()
        if package != "mlptrain"
    ]
    splits = [f"{split} {size:,}" for split, size in facts.split_sizes.items()]
    rows = [
        ("versions", separator.join(versions)),
        ("GPU", facts.accelerator or f"none: CPU with {quantity(facts.threads, 'thread')}"),
        ("data", facts.data_source),
        ("images", separator.join(splits)),
        ("classes", facts.classes),
        ("recipe", facts.recipe),
        ("folder", shown_path(facts.folder)),
    ]
    return [(label, printable(text)) for label, text in rows]


def next_commands(files: Iterable[tuple[str, str]], folder: Path) -> list[str]:
    """Return commands that are useful after the run, and whose programs are installed."""
    commands = [report_command(folder), f"{like_command(folder)} KEY=VALUE"]
    has_logs = any(name.rstrip("/") == names.TENSORBOARD for name, _ in files)
    if has_logs and find_spec("tensorboard"):
        logs = str(Path(shown_path(folder)) / names.TENSORBOARD)
        commands.append(f"tensorboard --logdir {shlex.quote(printable(logs))}")
    return commands


def finding_lines(findings: Sequence[Finding], folder: Path) -> list[tuple[str, str]]:
    """Return the lines about a run's findings, each with a command to try or an empty text."""
    if not findings:
        return [("Findings: nothing unusual.", "")]
    shown = findings[:MOST_FINDINGS]
    lines = [
        (printable(f"Finding ({item.severity}): {item.summary}"), "".join(item.commands[:1]))
        for item in shown
    ]
    more = f"{len(findings) - len(shown)} more, with " if len(findings) > len(shown) else ""
    path = shlex.quote(printable(shown_path(folder)))
    return [*lines, (f"For {more}the evidence: mlptrain explain {path}", "")]


def how_it_ended(metrics: Mapping[str, Any]) -> str:
    """Return how the run ended, from the content of metrics.json as far as there is any.

    Example:
        >>> reason = "stopped early after 14 of 25 epochs: val_loss had not improved for 5"
        >>> how_it_ended({"best_epoch": 9, "epochs_run": 14, "reason": reason})[57:]
        'improved for 5; metrics are from the best epoch, 9.'
    """
    trained = metrics.get("epochs_run")
    text = f"Finished {quantity(trained, 'epoch')}" if trained else "Finished"
    if reason := metrics.get("reason"):
        text = printable(reason[0].upper() + reason[1:])
    if known(best := metrics.get("best_epoch")):
        source = "the last epoch" if best == trained else f"the best epoch, {best}"
        text += f"; metrics are from {source}"
    return f"{text}."


def best_legend(facts: StartFacts | None, metrics: Mapping[str, Any]) -> str | None:
    """Return by what the best epoch is the best; None if the weights are the last epoch's."""
    if facts is None or facts.best_by is None or not known(metrics.get("best_epoch")):
        return None
    return f"best epoch: {metrics['best_epoch']}, with the {best_in_words(facts.best_by)}"


def final_loss(loss: Any, facts: StartFacts | None) -> str:
    """Return a loss with its name, which says whether it contains the penalty."""
    has_penalty = facts is not None and facts.losses_have_penalty
    return f"loss {'with penalty ' if has_penalty else ''}{loss_text(loss)}"


def more_figures(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return label and text of what follows the accuracies, as far as there is any."""
    rows = []
    if known(metrics.get("seconds")):
        rows.append(("Training time", duration(metrics["seconds"])))
    if known(top5 := metrics.get("test_top5_accuracy")):
        rows.append(("Test top-5 accuracy", percent(top5)))
    if known(parameters := metrics.get("parameters")):
        rows.append(("Parameters", f"{parameters:,}"))
    return rows


def blocks(fraction: Any, cells: int) -> str:
    """Return a bar of `cells` characters for a fraction, exact to an eighth of a character."""
    eighths = round(min(max(fraction, 0.0), 1.0) * cells * 8) if known(fraction) else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + " ▏▎▍▌▋▊▉"[rest] * (rest > 0)).ljust(cells)


def start_panels(facts: StartFacts, width: int) -> RenderableType:
    """Return the facts in a frame above a table of layers, for a terminal `width` wide."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in start_rows(facts, " · "):
        grid.add_row(label, Text(text, style="bold" if label == "folder" else ""))
    frame = Panel(grid, title=Text(title(facts), style="bold"), border_style="cyan")

    model = Table(box=box.SIMPLE_HEAD, header_style="cyan", show_footer=True, pad_edge=True)
    model.add_column("layer", footer="total", overflow="fold")
    model.add_column("output shape", overflow="fold")
    model.add_column("parameters", footer=f"{facts.parameters:,}", justify="right")
    model.columns[2].footer_style = model.columns[0].footer_style = "bold"
    has_shares = width >= 80 and facts.parameters > 0
    if has_shares:
        model.add_column("share of all", no_wrap=True)
    for name, shape, count in facts.layers:
        cells = [Text(printable(name)), Text(printable(shape), style="dim")]
        cells.append(Text(f"{count:,}", style="" if count else "dim"))
        if has_shares:
            cells.append(Text(blocks(count / facts.parameters, 20), style="cyan"))
        model.add_row(*cells)
    return Group(frame, model)


def finish_panel(
    metrics: Mapping[str, Any], facts: StartFacts | None, width: int
) -> RenderableType:
    """Return the final metrics in a frame, for a terminal `width` wide; see `how_it_ended`."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(style="dim", no_wrap=True)
    cells = min(40, width - 70)
    if cells >= 10:
        grid.add_column(no_wrap=True)
    for label, accuracy, loss in FIGURES:
        style = "bold green" if label.startswith("Test") else "bold"
        row = [
            Text(label, style=style),
            Text(percent(metrics.get(accuracy)), style=style),
            Text(final_loss(metrics.get(loss), facts)),
        ]
        if cells >= 10:
            color = "green" if label.startswith("Test") else "cyan"
            row.append(Text(blocks(metrics.get(accuracy), cells), style=color))
        grid.add_row(*row)
    for label, text in more_figures(metrics):
        grid.add_row(Text(label), Text(text))
    body = Group(Text(how_it_ended(metrics)), Text(), grid)
    heading = Text("Stopped early" if metrics.get("reason") else "Finished", style="bold")
    return Panel(body, title=heading, border_style="green", expand=cells >= 10, padding=(1, 2))


def files_table(files: Iterable[tuple[str, str]]) -> RenderableType:
    """Return a table of the run folder's files and their descriptions."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=2)
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim")
    for name, meaning in files:
        grid.add_row("", Text(printable(name)), Text(printable(meaning)))
    return grid
