"""The commands that read runs, on a made sweep of ten thousand: wall time and memory of each.

    python benchmarks/many_runs.py --seeds 10 --rates 100

One real run on the mini data set is trained; the other folders are its small files, each with the
config of a cell and with accuracies of its own. They stand below a folder that is removed at the
end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from vs_plain_keras import machine

from mlptrain.config.identity import recipe_hash
from mlptrain.store import names
from mlptrain.sweeps.cells import Plan, plan_sweep

SMALL = ["data=cifar10_mini", "model.hidden=[16]", "train.epochs=3"]
ACTIVATIONS = "relu,tanh,gelu,selu,elu"
OPTIMIZERS = "adam,rmsprop"
LARGEST_COPY = 2**16
"""Bytes of the largest file that is copied: weights and checkpoints stay out."""


def words(seeds: int, rates: int) -> list[str]:
    """Return the overrides of the grid: seeds x 10 x rates cells."""
    listed = ",".join(f"{1e-4 * 1.05**step:.4g}" for step in range(rates))
    return [
        *SMALL,
        f"seed={','.join(map(str, range(1, seeds + 1)))}",
        f"activation={ACTIVATIONS}",
        f"optimizer={OPTIMIZERS}",
        f"optimizer.learning_rate={listed}",
    ]


def make_runs(plan: Plan, template: Path, root: Path, command: list[str]) -> None:
    """Write a finished run for every cell, and the sweep's file."""
    plan.remember(root, command, threads=1)
    facts = json.loads((template / names.RUN).read_text())
    metrics = json.loads((template / names.METRICS).read_text())
    others = [
        file
        for file in template.iterdir()
        if file.is_file()
        and file.name not in (names.RUN, names.METRICS)
        and file.stat().st_size <= LARGEST_COPY
    ]
    draw = random.Random(0)
    for cell in plan.cells:
        folder = root / cell.folder_name
        folder.mkdir()
        for file in others:
            shutil.copyfile(file, folder / file.name)
        recipe = recipe_hash(cell.config)
        level = int(recipe[:4], 16) / 0xFFFF
        changed = {
            key: min(1.0, max(0.0, 0.2 + 0.3 * level + draw.gauss(0, 0.01)))
            for key in ("train_accuracy", "val_accuracy", "test_accuracy")
        }
        identity = {
            "run_id": cell.folder_name,
            "seed": cell.config.seed,
            "config": cell.config.model_dump(),
            "config_hash": cell.config_hash,
            "recipe_hash": recipe,
        }
        (folder / names.RUN).write_text(json.dumps(facts | identity))
        (folder / names.METRICS).write_text(json.dumps(metrics | changed))


def measure(command: list[str], log: Path) -> tuple[float, float]:
    """Run a command; return its wall seconds and its peak memory in MiB."""
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlptrain", *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"mlptrain {' '.join(command)[:200]}\n{log.read_text()[-2000:]}")
    return time.perf_counter() - started, usage.ru_maxrss / 2**10


def main() -> None:
    """Make the runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rates", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="make the runs below this folder and keep them")
    chosen = parser.parse_args()
    grid = words(chosen.seeds, chosen.rates)
    console = Console(highlight=False)
    with TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "log"
        table = Table("command", "seconds", "peak MiB", box=None)

        def add(name: str, command: list[str]) -> None:
            seconds, peak = measure(command, log)
            table.add_row(name, f"{seconds:.1f}", f"{peak:.0f}")

        plan = plan_sweep(grid)
        add(f"plan, {len(plan.cells):,} cells not started", ["plan", *grid])
        measure([*SMALL, "output_root=template", "seed=0"], log)
        template = next((folder / "template").glob(f"*/{names.METRICS}")).parent
        root = folder / "outputs" / plan.name
        make_runs(plan, template, root, ["mlptrain", "-m", *grid])
        sweep = f"outputs/{plan.name}"
        add("plan, all of them finished", ["plan", *grid])
        add("status", ["status", sweep])
        add("runs", ["runs", "outputs"])
        add("report", ["report", sweep])
        page = folder / "report.html"
        console.print(table)
        console.print(f"report: {page.stat().st_size / 1e6:.1f} MB; {machine()}")


if __name__ == "__main__":
    main()
