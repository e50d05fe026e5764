"""What the instruments cost: a measurement beside the steps of an epoch, in turns.

python benchmarks/instruments.py ["model=wide train.batch_size=256"]
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

ROUNDS, STEPS = 7, 40


def main() -> None:
    """Print the median seconds of a measurement and of an epoch's steps, and their ratio."""
    from mlptrain.config.compose import compose
    from mlptrain.config.sizes import steps_per_epoch
    from mlptrain.training.assemble import assemble

    config = compose(sys.argv[1].split() if sys.argv[1:] else []).config
    assembly = assemble(config)
    from mlptrain.training.engine import Totals
    from mlptrain.training.instruments import Instruments

    engine, steps = assembly.engine, steps_per_epoch(config)
    instruments = Instruments(assembly.mlp, assembly.dataset.validation, steps)
    order = engine.start_epoch(1)
    rates = np.full(steps, 1e-4, np.float32)
    engine.train_steps(order, rates, 0, 2, 0, Totals())
    instruments.measure(0)
    measurements, epochs = [], []
    for number in range(ROUNDS):
        begin = time.perf_counter()
        engine.train_steps(order, rates, 2, 2 + STEPS, 0, Totals())
        middle = time.perf_counter()
        instruments.measure(number + 1)
        epochs.append((middle - begin) / STEPS * steps)
        measurements.append(time.perf_counter() - middle)
    cost, epoch = statistics.median(measurements), statistics.median(epochs)
    print(f"measurement {cost:.3f} s, steps of an epoch {epoch:.2f} s: {100 * cost / epoch:.2f} %")


if __name__ == "__main__":
    main()
