"""What the checkpoint of each epoch costs: the same run with and without it; time and disk.

    python benchmarks/checkpoint.py --epochs 10 --pairs 5
    python benchmarks/checkpoint.py --epochs 3 --pairs 1 data=cifar10_mini

Both train the study's final recipe (or what the overrides make of it), each run a process of its
own, in turn (A B B A ...), so that a machine that slows down meets both alike. Without: neither is
the state of the optimizer copied nor anything written. The ratios are with / without of one pair.
They differ by more from run to run than by the checkpoint, so the seconds between the beginning
and the end of each checkpoint are added up as well. Disk: the most that the folder held at any
look, over the largest single checkpoint in it.
"""

from __future__ import annotations

import argparse
import atexit
import csv
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table
from vs_plain_keras import machine

WITH, WITHOUT = "with", "without"
_LOOK_SECONDS = 0.005
"""A checkpoint takes ten times as long."""


def train(kind: str, figures: Path, words: list[str]) -> None:
    """Run the real command in this process, with the checkpoint's parts timed or left out."""
    from mlptrain.cli import main
    from mlptrain.model import process
    from mlptrain.training import checkpoint

    spent = {"seconds": 0.0, "checkpoints": 0}

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                spent["seconds"] += time.perf_counter() - began
                spent["checkpoints"] += function is save

        return call

    save, prepare = checkpoint.save, process.prepare

    def prepare_and_patch(*arguments: Any) -> Any:
        prepared = prepare(*arguments)  # before it nothing may import TensorFlow
        from mlptrain.training.engine import Engine

        state = timed(Engine.optimizer_state) if kind == WITH else lambda engine: []
        setattr(Engine, "optimizer_state", state)  # noqa: B010
        return prepared

    setattr(process, "prepare", prepare_and_patch)  # noqa: B010
    checkpoint.save = timed(save) if kind == WITH else lambda *arguments: None
    sys.argv = ["mlptrain", *words]
    atexit.register(lambda: figures.write_text(json.dumps(spent), encoding="utf-8"))
    main()


def measure(kind: str, words: list[str], folder: Path) -> dict[str, Any]:
    """Run one side; return wall seconds, those of its epochs and checkpoints, and bytes."""
    figures, log = folder / "figures.json", folder / "log"
    command = [sys.executable, __file__, "--child", kind, str(figures), *words]
    command.append(f"output_root={folder / 'outputs'}")
    began, held, one = time.perf_counter(), 0, 0
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    while process.poll() is None:
        sizes = checkpoint_sizes(folder)
        held = max(held, sum(sizes.values()))
        one = max([one, *sizes.values()])
        time.sleep(_LOOK_SECONDS)
    wall = time.perf_counter() - began
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        sys.exit(f"{' '.join(command)}\nended with {process.returncode}:\n{tail}")
    (history,) = {path.resolve() for path in (folder / "outputs").glob("*/history.csv")}
    with history.open(newline="", encoding="utf-8") as rows:
        epochs = [float(row["seconds"]) for row in csv.DictReader(rows)]
    result = {"wall_seconds": wall, "epoch_seconds": epochs, "held_bytes": held, "one_bytes": one}
    if kind == WITH:
        spent = json.loads(figures.read_text(encoding="utf-8"))
        assert spent["checkpoints"] == len(epochs)
        result["checkpoint_seconds"] = spent["seconds"]
    return result


def checkpoint_sizes(folder: Path) -> dict[str, int]:
    """Epoch → bytes of all its files, the one that is being written too."""
    sizes: dict[str, int] = defaultdict(int)
    for file in folder.glob("outputs/2*/checkpoint/*"):
        try:
            sizes[file.name.lstrip(".").partition(".")[0]] += file.stat().st_size
        except FileNotFoundError:  # renamed or removed meanwhile
            continue
    return sizes


def spread(values: list[float], form: str) -> tuple[str, str]:
    """Median, and from the least to the most."""
    least, most = form.format(min(values)), form.format(max(values))
    return f"[bold]{form.format(statistics.median(values))}[/bold]", f"{least} to {most}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all raw figures here")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for both sides")
    arguments = parser.parse_args()
    console = Console()
    words = [f"train.epochs={arguments.epochs}", "callbacks.early_stopping.enabled=false"]
    words += arguments.overrides
    place = machine()
    # Libraries read from a cold disk would cost the first run alone.
    subprocess.run([sys.executable, "-c", "import tensorflow, sklearn"], stderr=subprocess.DEVNULL)
    runs: dict[str, list[dict[str, Any]]] = {WITH: [], WITHOUT: []}
    for pair in range(arguments.pairs):
        for kind in (WITH, WITHOUT) if pair % 2 == 0 else (WITHOUT, WITH):
            with TemporaryDirectory() as folder:
                result = measure(kind, words, Path(folder))
            runs[kind].append(result)
            console.print(
                f"pair {pair + 1}/{arguments.pairs}, {kind}: {result['wall_seconds']:.1f} s, "
                f"{statistics.median(result['epoch_seconds']):.3f} s an epoch"
            )
    pairs = list(zip(runs[WITH], runs[WITHOUT], strict=True))
    rows = {
        "wall, with / without": (
            [a["wall_seconds"] / b["wall_seconds"] for a, b in pairs],
            "{:.3f}",
        ),
        # The first epoch holds the tracing of the graph.
        "median epoch, with / without": (
            [
                statistics.median(a["epoch_seconds"][1:] or a["epoch_seconds"])
                / statistics.median(b["epoch_seconds"][1:] or b["epoch_seconds"])
                for a, b in pairs
            ],
            "{:.3f}",
        ),
        "seconds in checkpoints / wall": (
            [a["checkpoint_seconds"] / a["wall_seconds"] for a in runs[WITH]],
            "{:.2%}",
        ),
        "seconds in checkpoints / epochs": (
            [a["checkpoint_seconds"] / sum(a["epoch_seconds"]) for a in runs[WITH]],
            "{:.2%}",
        ),
        "one checkpoint, ms": (
            [1e3 * a["checkpoint_seconds"] / len(a["epoch_seconds"]) for a in runs[WITH]],
            "{:.0f}",
        ),
        "largest checkpoint, MiB": ([a["one_bytes"] / 2**20 for a in runs[WITH]], "{:.1f}"),
        "folder at its largest / that": (
            [a["held_bytes"] / a["one_bytes"] for a in runs[WITH]],
            "{:.2f}",
        ),
    }
    table = Table(title="A checkpoint after each epoch")
    for heading in ("", "median", "min to max"):
        table.add_column(heading, justify="left" if not heading else "right")
    for label, (values, form) in rows.items():
        table.add_row(label, *spread(values, form))
    console.print(table)
    console.print(
        f"{' '.join(words)}, {arguments.pairs} pairs; {place['cpu']}, {place['cores']} cores; "
        f"{place['date']}"
    )
    if arguments.json:
        record = {"words": words, "machine": place, "runs": runs}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        train(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
    else:
        main()
