"""Floating-point operations per second of training, beside the machine's own matrix products.

    python benchmarks/throughput.py                          # the models of conf/
    python benchmarks/throughput.py "experiment=fast" "model=wide train.batch_size=256"

Each argument is a config in one string. For each, in turn and several times over: a graph call of
training steps on real images, and a product of two 2,048 by 2,048 matrices in the same precision,
whose rate is what this machine can do at that moment. Operations of a step are those of the dense
layers' products alone (Keras's own layers, forward and both gradients); everything else that a
step does counts as time without work.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from vs_plain_keras import machine

MODELS = [
    "model=baseline",
    "model=mlp",
    "model=wide",
    "model=deep",
    "model=residual activation=gelu train.batch_size=512",
    "model=mixer activation=gelu train.batch_size=128",
    "model=mixer activation=gelu train.batch_size=128 runtime.precision=mixed_bfloat16",
    "experiment=fast",
    "experiment=flat",
]
ROUNDS, SIDE = 7, 2_048


def measure(words: list[str]) -> None:
    """In a process of its own: print GFLOP of a step, step and product rates of each round."""
    from mlptrain.config.compose import compose
    from mlptrain.training.assemble import assemble

    config = compose([*words, "data.limit=20000"]).config
    assembly = assemble(config)
    import keras
    import tensorflow as tf

    from mlptrain.training.engine import Totals

    engine, network = assembly.engine, assembly.mlp.network
    features = config.data.features()
    first = next(layer.kernel for layer in network.layers if hasattr(layer, "kernel"))
    # Two operations for each weight and use in an image: forward, weights' gradient, and the
    # input's, which the first layer, used once for each of its patches, does not need.
    products = 3 * config.model.count_products(features, len(config.data.class_names()))
    products -= first.shape[1] * features
    work = 2 * config.train.batch_size * products / 1e9
    steps = len(assembly.dataset.train) // config.train.batch_size
    order = engine.start_epoch(1)
    rates = np.full(steps + 1, 1e-4, np.float32)
    kind = tf.bfloat16 if config.runtime.precision == "mixed_bfloat16" else tf.float32
    values = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    square = tf.cast(values, kind)
    product = tf.function(lambda: tf.matmul(square, square))

    def seconds(call: object, *arguments: object) -> float:
        started = time.perf_counter()
        result = call(*arguments)  # type: ignore[operator]
        if hasattr(result, "numpy"):
            result.numpy()
        return time.perf_counter() - started

    engine.train_steps(order, rates, 0, 3, 0, Totals())
    for _ in range(3):
        product().numpy()
    for _ in range(ROUNDS):
        some = min(steps, max(4, int(40 / max(work, 0.01))))
        step = seconds(engine.train_steps, order, rates, 0, some, 0, Totals()) / some
        of_product = statistics.median(seconds(product) for _ in range(5))
        print(work, work / step, 2 * SIDE**3 / of_product / 1e9, flush=True)
    keras.backend.clear_session()


def main() -> None:
    """Measure each config in a process of its own and print the table."""
    console = Console(highlight=False, width=120)
    table = Table(title="GFLOP/s of training, median (range)", title_justify="left", box=None)
    for heading in ("config", "GFLOP a step", "training", "matrix product", "share of it, %"):
        table.add_column(heading, justify="left" if heading == "config" else "right")
    for config in sys.argv[1:] or MODELS:
        command = [sys.executable, str(Path(__file__)), "--measure", *config.split()]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        rows = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
        share = [100 * training / product for _, training, product in rows]
        columns = [[row[1] for row in rows], [row[2] for row in rows], share]
        shown = [f"{statistics.median(c):.0f} ({min(c):.0f}-{max(c):.0f})" for c in columns]
        table.add_row(config, f"{rows[0][0]:.2f}", *shown)
    console.print(table)
    place = machine()
    console.print(f"{place['cpu']}, {place['cores']} cores; {place['versions']}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2:])
    else:
        main()
