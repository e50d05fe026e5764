"""A packed sweep beside the same cells as plain Keras, one after another: wall time and memory.

    python benchmarks/sweep.py --epochs 3 --pairs 3

Six cells of the study's final stage (three learning rates by two seeds), each trained for the
same number of epochs. mlptrain trains them with one command; plain Keras in six processes one
after another, as a notebook run six times. In turn, so that a machine that slows down meets both
alike. Memory is that of all processes together at the worst moment: their proportional set size,
in which a page that several of them share counts once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from vs_plain_keras import OURS, PLAIN, PLAIN_SCRIPT, machine

SEEDS = (42, 1)
RATES = (1e-3, 5e-4, 2e-3)
_LOOK_SECONDS = 0.25


def measure(commands: list[list[str]], log: Path) -> dict[str, float]:
    """Run commands one after another; return wall seconds and the peak of all memory, in MiB."""
    started, peak = time.perf_counter(), 0
    for command in commands:
        with log.open("ab") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, memory(psutil.Process(process.pid)))
            time.sleep(_LOOK_SECONDS)
        if process.returncode != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            sys.exit(f"{' '.join(command)}\nended with {process.returncode}:\n{tail}")
    return {"wall_seconds": time.perf_counter() - started, "peak_mib": peak / 2**20}


def memory(root: psutil.Process) -> int:
    """Proportional set size of a process and its descendants, in bytes."""
    total = 0
    try:
        for process in (root, *root.children(recursive=True)):
            try:
                total += process.memory_full_info().pss
            except psutil.Error:  # it ended meanwhile
                continue
    except psutil.Error:
        pass
    return total


def run_plain(epochs: int, folder: Path) -> dict[str, Any]:
    """The six cells as six notebooks."""
    command = [sys.executable, str(PLAIN_SCRIPT), f"--epochs={epochs}"]
    cells = [[f"--seed={seed}", f"--learning-rate={rate}"] for rate in RATES for seed in SEEDS]
    return measure([[*command, *cell] for cell in cells], folder / "plain.log")


def run_ours(epochs: int, folder: Path) -> dict[str, Any]:
    """The six cells as one sweep."""
    root = folder / "outputs"
    words = [
        "-m",
        f"optimizer.learning_rate={','.join(map(str, RATES))}",
        f"seed={','.join(map(str, SEEDS))}",
        f"train.epochs={epochs}",
        f"output_root={root}",
    ]
    measured = measure([[sys.executable, "-m", "mlptrain", *words]], folder / "mlptrain.log")
    finished = [json.loads(path.read_text()) for path in root.glob("*/*/metrics.json")]
    assert len(finished) == len(SEEDS) * len(RATES), "the sweep left cells undone"
    assert all(metrics["epochs_run"] == epochs for metrics in finished)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all raw figures here")
    arguments = parser.parse_args()
    console = Console()
    place = machine()
    # Libraries read from a cold disk would cost the first run alone.
    subprocess.run([sys.executable, "-c", "import tensorflow, sklearn"], stderr=subprocess.DEVNULL)
    runs: dict[str, list[dict[str, Any]]] = {PLAIN: [], OURS: []}
    for pair in range(arguments.pairs):
        for name, run in ((PLAIN, run_plain), (OURS, run_ours)):
            with TemporaryDirectory() as folder:
                result = run(arguments.epochs, Path(folder))
            runs[name].append(result)
            console.print(
                f"pair {pair + 1}/{arguments.pairs}, {name}: {result['wall_seconds']:.1f} s, "
                f"{result['peak_mib']:,.0f} MiB"
            )
    table = Table(title="mlptrain / plain Keras, six cells, below 1 is better")
    for heading in ("", PLAIN, OURS, "median ratio", "each pair"):
        table.add_column(heading, justify="left" if not heading else "right")
    for key, label in (("wall_seconds", "wall, s"), ("peak_mib", "peak of all processes, MiB")):
        plain, ours = ([run[key] for run in runs[name]] for name in (PLAIN, OURS))
        ratios = [b / a for a, b in zip(plain, ours, strict=True)]
        table.add_row(
            label,
            f"{statistics.median(plain):,.1f}",
            f"{statistics.median(ours):,.1f}",
            f"[bold]{statistics.median(ratios):.3f}[/bold]",
            "  ".join(f"{ratio:.3f}" for ratio in ratios),
        )
    console.print(table)
    console.print(
        f"{arguments.epochs} epochs, {arguments.pairs} pairs; {place['cpu']}, "
        f"{place['cores']} cores; {place['date']}"
    )
    if arguments.json:
        record = {"epochs": arguments.epochs, "machine": place, "runs": runs}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
