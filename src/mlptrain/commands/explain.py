"""`mlptrain explain RUN [RUN]`: what happened inside a net and what to try."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlptrain import completion
from mlptrain.commands._options import folders, form_among
from mlptrain.errors import UsageError, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mlptrain.finding import Finding
    from mlptrain.findings import Facts
    from mlptrain.store.runs import Run


app = typer.Typer()


@app.command(
    help="Explain a run: what went wrong, the evidence from inside the net, and what to try. "
    "With two runs, also what differs inside their nets."
)
def explain(
    paths: Annotated[list[Path], folders("RUN", "Folders of one or two runs.", completion.runs)],
    form: Annotated[str, form_among("text", "json")] = "text",
) -> None:
    """Print findings with their evidence, a table of the layers, and what differs."""
    from rich.console import Console

    from mlptrain.findings import Facts, find
    from mlptrain.findings.differences import changed_settings, differences
    from mlptrain.formatting import shown_path
    from mlptrain.store.run_folder import RunFolder
    from mlptrain.store.runs import read_run

    if len(paths) > 2:
        raise UsageError(
            "one run or two",
            f"{len(paths)} runs",
            "name one or two of them; `mlptrain report RUN…` compares more",
        )
    runs = [read_run(RunFolder.open(path).path) for path in paths]
    facts = [Facts.of(run) for run in runs]
    findings = [find(item) for item in facts]
    inside = differences(*facts) if len(facts) == 2 else []
    if form == "json":
        records: list[dict[str, Any]] = [
            {
                "run": printable(shown_path(item.path)),
                "findings": [finding.record() for finding in each],
                "notes": [printable(note) for note in item.notes],
            }
            for item, each in zip(facts, findings, strict=True)
        ]
        if len(records) == 1:
            print(json.dumps(records[0], indent=2))
            return
        listed = [difference.record() for difference in inside]
        print(json.dumps({"runs": records, "differences": listed}, indent=2))
        return
    console = Console(highlight=False)
    for run, item, each in zip(runs, facts, findings, strict=True):
        _print_run(console, run, item, each)
    if len(facts) == 2:
        console.print("What differs", style="bold")
        for line in changed_settings(*facts) or ["no setting"]:
            console.print(f"  {printable(line)}", markup=False)
        console.print("What differs inside the nets", style="bold")
        for difference in inside:
            console.print(f"  {printable(difference.sentence)}", markup=False)
        if not inside:
            console.print("  nothing that was measured differs by much")


def _print_run(console: Console, run: Run, facts: Facts, findings: Sequence[Finding]) -> None:
    from mlptrain.formatting import shown_path

    console.print(printable(shown_path(facts.path)), style="bold", markup=False, soft_wrap=True)
    if run.status != "finished":
        reason = f": {run.facts.reason}" if run.facts.reason else ""
        state = f"{run.status} after {run.progress.replace('/', ' of ')} epochs{reason}"
        console.print(printable(state), markup=False)
    styles = {"high": "bold red", "medium": "bold yellow", "low": "bold"}
    for finding in findings:
        heading = f"{finding.severity}: {finding.name}"
        console.print(heading, style=styles[finding.severity], markup=False)
        console.print(f"  {printable(finding.summary)}", markup=False)
        console.print(f"  {printable(finding.evidence)}", style="dim", markup=False)
        for command in finding.commands:
            console.print(f"  try: {command}", markup=False, soft_wrap=True)
    if not findings:
        console.print("Findings: nothing unusual.")
    for note in facts.notes:
        console.print(f"not known: {printable(note)}", style="dim", markup=False)
    if facts.measured_epochs:
        console.print(_layers(facts))
    console.print()


def _layers(facts: Facts) -> Table:
    """Return the table of the layers, before the first step and after the last epoch."""
    from rich.markup import escape
    from rich.table import Table

    last = facts.last_measured
    table = Table(
        box=None, header_style="bold", padding=(0, 1), title_justify="left", title_style="dim",
        title="Each layer before the first step" + (f" → after epoch {last}" if last else ""),
    )  # fmt: skip
    table.add_column("layer", overflow="fold")
    for heading in ("SD", "dead", "saturated", "gradient", "update/step", "rank"):
        table.add_column(heading, justify="right", no_wrap=True)
    first = {row["layer"]: row for row in facts.at(0)}
    for row in facts.at(last):
        before = first.get(row["layer"], {}) if last else {}
        cells = [
            _both(before.get("activation_sd"), row.get("activation_sd"), "{:.2g}"),
            _both(before.get("dead_share"), row.get("dead_share"), "{:.0%}"),
            _both(before.get("saturated_share"), row.get("saturated_share"), "{:.0%}"),
            _both(before.get("gradient_norm"), row.get("gradient_norm"), "{:.2g}"),
            "" if row.get("update_ratio") is None else f"{row['update_ratio']:.1e}",
            _both(before.get("effective_rank"), row.get("effective_rank"), "{:.0f}"),
        ]
        if not last:  # stopped within the first epoch
            cells = [cell.removeprefix("? → ") for cell in cells]
        table.add_row(escape(str(row["layer"])), *cells)
    return table


def _both(before: float | None, after: float | None, form: str) -> str:
    texts = ["?" if value is None else form.format(value) for value in (before, after)]
    return "" if texts == ["?", "?"] else " → ".join(texts)
