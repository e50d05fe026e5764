"""mlptrain beside plain Keras: seconds per epoch, wall time, peak memory; or accuracy.

    python benchmarks/vs_plain_keras.py --epochs 5 --pairs 3
    python benchmarks/vs_plain_keras.py --accuracy --seeds 42 1 2

Both train the study's final stage on the same images for the same number of epochs, in turn
(A B A B ...), each run a process of its own, so that a machine that slows down meets both alike.
The ratios are mlptrain / plain Keras of one pair, so below 1 is better.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

PLAIN, OURS = "plain Keras", "mlptrain"
PLAIN_SCRIPT = Path(__file__).with_name("plain_keras.py")
MEASURES = {
    "epoch_seconds": ("s per epoch", "{:.2f}"),
    "wall_seconds": ("wall, s", "{:.1f}"),
    "peak_mib": ("peak, MiB", "{:,.0f}"),
}


def measure(command: list[str], log: Path) -> dict[str, float]:
    """Run a command to its end; return its wall seconds and its peak resident memory in MiB."""
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        # wait4, not wait: it alone gives the resources of this very process.
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        sys.exit(f"{' '.join(command)}\nended with {process.returncode}:\n{tail}")
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {"wall_seconds": wall, "peak_mib": usage.ru_maxrss / unit}


def run_plain(epochs: int, seed: int, folder: Path) -> dict[str, Any]:
    """Run `plain_keras.py`; return what was measured and its accuracies."""
    results = folder / "plain.json"
    command = [sys.executable, str(PLAIN_SCRIPT), f"--epochs={epochs}", f"--seed={seed}"]
    measured = measure([*command, f"--json={results}"], folder / "plain.log")
    figures = json.loads(results.read_text(encoding="utf-8"))
    return summary(figures["seconds"], figures) | measured


def run_ours(epochs: int, seed: int, folder: Path) -> dict[str, Any]:
    """Run `mlptrain`; return what was measured and the figures of its run folder."""
    root = folder / "outputs"
    overrides = [f"train.epochs={epochs}", f"seed={seed}", f"output_root={root}"]
    measured = measure([sys.executable, "-m", "mlptrain", *overrides], folder / "mlptrain.log")
    # `latest` points to the same folder, hence resolve.
    (history,) = {path.resolve() for path in root.glob("*/history.csv")}
    with history.open(newline="", encoding="utf-8") as rows:
        seconds = [float(row["seconds"]) for row in csv.DictReader(rows)]
    metrics = json.loads(history.with_name("metrics.json").read_text(encoding="utf-8"))
    return summary(seconds, metrics) | measured


def summary(seconds: list[float], figures: dict[str, Any]) -> dict[str, Any]:
    """Return the seconds of each epoch, their median without the first, and the accuracies."""
    accuracies = {key: figures[key] for key in ("train_accuracy", "val_accuracy", "test_accuracy")}
    # The first epoch holds the tracing of the graph: it belongs to the wall time.
    typical = statistics.median(seconds[1:] or seconds)
    return {"epochs_run": len(seconds), "epoch_seconds": typical, "seconds": seconds} | accuracies


def run_pairs(epochs: int, seeds: list[int], console: Console) -> dict[str, list[dict[str, Any]]]:
    """Run both programs once per seed, in turn; return the runs of each, in order."""
    programs: dict[str, Callable[[int, int, Path], dict[str, Any]]] = {
        PLAIN: run_plain,
        OURS: run_ours,
    }
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in programs}
    # Libraries read from a cold disk would cost the first run alone.
    subprocess.run([sys.executable, "-c", "import tensorflow, sklearn"], stderr=subprocess.DEVNULL)
    for pair, seed in enumerate(seeds, start=1):
        for name, run in programs.items():
            with TemporaryDirectory() as folder:
                result = {"seed": seed} | run(epochs, seed, Path(folder))
            runs[name].append(result)
            console.print(
                f"pair {pair}/{len(seeds)}, seed {seed}, {name}: "
                f"{result['epoch_seconds']:.2f} s per epoch, {result['wall_seconds']:.1f} s, "
                f"{result['peak_mib']:,.0f} MiB, test {result['test_accuracy']:.2%}"
            )
    return runs


def speed_table(runs: dict[str, list[dict[str, Any]]]) -> Table:
    """Return the medians of both programs and the ratios of each pair."""
    table = Table(
        title="mlptrain / plain Keras, below 1 is better",
        caption="s per epoch without the first; wall of the whole command; peak resident memory",
    )
    for heading in ("", PLAIN, OURS, "median ratio", "each pair", "min to max"):
        table.add_column(heading, justify="left" if not heading else "right")
    for key, (label, form) in MEASURES.items():
        plain, ours = ([run[key] for run in runs[name]] for name in (PLAIN, OURS))
        ratios = [b / a for a, b in zip(plain, ours, strict=True)]
        table.add_row(
            label,
            form.format(statistics.median(plain)),
            form.format(statistics.median(ours)),
            f"[bold]{statistics.median(ratios):.3f}[/bold]",
            "  ".join(f"{ratio:.3f}" for ratio in ratios),
            f"{min(ratios):.3f} to {max(ratios):.3f}",
        )
    return table


def accuracy_table(runs: dict[str, list[dict[str, Any]]]) -> Table:
    """Return validation and test accuracy in percent per seed, means, SDs and differences."""
    table = Table(title="accuracy, %")
    table.add_column("seed")
    columns = []
    for part in ("val", "test"):
        plain, ours = ([100 * r[f"{part}_accuracy"] for r in runs[n]] for n in (PLAIN, OURS))
        columns += [plain, ours, [b - a for a, b in zip(plain, ours, strict=True)]]
        for heading in (PLAIN, OURS, "diff."):
            table.add_column(f"{part}\n{heading}", justify="right")
    forms = ["{:.2f}", "{:.2f}", "{:+.2f}"] * 2
    for i, run in enumerate(runs[PLAIN]):
        row = [form.format(column[i]) for form, column in zip(forms, columns, strict=True)]
        table.add_row(str(run["seed"]), *row)
    table.add_section()
    means = map(statistics.mean, columns)
    table.add_row("mean", *(form.format(mean) for form, mean in zip(forms, means, strict=True)))
    if len(runs[PLAIN]) > 1:
        table.add_row("SD", *(f"{statistics.stdev(column):.2f}" for column in columns))
    return table


def machine() -> dict[str, Any]:
    """Return where and when this was measured."""
    versions = {"python": platform.python_version()}
    for package in ("tensorflow", "keras", "numpy", "scikit-learn", "mlptrain"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {"date": date, "cpu": cpu_model(), "cores": cores, "versions": versions}


def cpu_model() -> str:
    """Return the processor's name as its maker spells it, where the system tells."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, help="default: 5, with --accuracy 30")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of runs (default: 3)")
    parser.add_argument("--accuracy", action="store_true", help="compare accuracies over seeds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 1, 2])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all raw figures here")
    arguments = parser.parse_args()
    epochs = arguments.epochs or (30 if arguments.accuracy else 5)
    # Speed is compared on one seed: the pairs then differ by nothing but the machine's mood.
    seeds = arguments.seeds if arguments.accuracy else arguments.seeds[:1] * arguments.pairs

    console = Console()
    place = machine()
    runs = run_pairs(epochs, seeds, console)
    if arguments.accuracy:
        console.print(accuracy_table(runs))
    console.print(speed_table(runs))
    console.print(
        f"{epochs} epochs, {len(seeds)} pairs; {place['cpu']}, {place['cores']} cores; "
        + ", ".join(f"{name} {number}" for name, number in place["versions"].items())
        + f"; {place['date']}"
    )
    if arguments.json:
        record = {"epochs": epochs, "machine": place, "runs": runs}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
