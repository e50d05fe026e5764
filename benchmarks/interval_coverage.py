"""Do the 95 % intervals of `mlptrain.uncertainty` hold for new seeds and new images?

    python benchmarks/interval_coverage.py

Nets and images are drawn from a known truth, 2,000 times for each row: an image is right with
a probability that depends on its difficulty and on the seed, both normal on the probit scale. What
is covered is the accuracy over all seeds and all images, or the difference of two configurations
that share images and, in part, what a seed does. A second table is of splits whose training sets
overlap, with a linear classifier that is trained for each. Prints Markdown; takes about five
minutes on one core.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
from scipy import special

from mlptrain.uncertainty import accuracy, over_splits, paired_difference

LEVEL = 0.6
"""Accuracy of the first configuration."""
IMAGE_SD = 1.2
"""How much images differ in difficulty, on the probit scale; the residual's SD is 1."""
SEED_POINTS = (0.0, 0.5, 2.0)
"""SD of the accuracy from one seed to another, in points."""
SHIFT = 0.08
"""How much better the second configuration is on the probit scale."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2_000)
    repeats = parser.parse_args().repeats
    print("| images | seeds | SD of seeds, points | accuracy, % | difference, % |")
    print("|---:|---:|---:|---:|---:|")
    for images, seeds, points in product((200, 1_000, 10_000), (2, 3, 5, 10, 20), SEED_POINTS):
        generator = np.random.default_rng([images, seeds, int(10 * points)])
        single, pair = coverage(generator, images, seeds, points / 100, repeats)
        row = f"{images:,} | {seeds} | {points} | {100 * single:.1f} | {100 * pair:.1f}"
        print(f"| {row} |", flush=True)
    print("\n| splits | corrected for overlap, % | without, % |\n|---:|---:|---:|")
    for splits in (3, 5, 10):
        with_it, without = split_coverage(np.random.default_rng(splits), splits, repeats)
        print(f"| {splits} | {100 * with_it:.1f} | {100 * without:.1f} |", flush=True)


def coverage(
    generator: np.random.Generator, images: int, seeds: int, seed_sd: float, repeats: int
) -> tuple[float, float]:
    """Return how often the interval of an accuracy, and of a paired difference, holds the truth.

    Args:
        generator: of the random numbers.
        images: per repeat.
        seeds: per repeat.
        seed_sd: SD of the accuracy over seeds, as a fraction.
        repeats: number of simulated comparisons.
    """
    total = np.sqrt(1 + IMAGE_SD**2)
    threshold = special.ndtri(LEVEL) * total
    slope = np.exp(-((threshold / total) ** 2) / 2) / np.sqrt(2 * np.pi) / total
    effect = seed_sd / slope  # SD on the probit scale
    spread = np.sqrt(total**2 + effect**2)
    truth = special.ndtr(threshold / spread)
    other = special.ndtr((threshold + SHIFT) / spread)
    hits = np.zeros(2)
    for _ in range(repeats):
        difficulty = IMAGE_SD * generator.standard_normal(images, np.float32)
        shared, *separate = (
            effect * np.sqrt(0.5) * generator.standard_normal((3, seeds, 1), np.float32)
        )
        results = [
            generator.standard_normal((seeds, images), np.float32)
            < np.float32(level) + difficulty + shared + luck
            for level, luck in zip((threshold, threshold + SHIFT), separate, strict=True)
        ]
        means = [r.mean(axis=1).tolist() for r in results]
        single = accuracy(means[0], results[0]).proportion_interval()
        pair = paired_difference(means[0], means[1], (results[0], results[1])).interval()
        hits += [
            single is not None and single[0] <= truth <= single[1],
            pair is not None and pair[0] <= other - truth <= pair[1],
        ]
    return float(hits[0] / repeats), float(hits[1] / repeats)


def split_coverage(
    generator: np.random.Generator, splits: int, repeats: int
) -> tuple[float, float]:
    """Return how often the interval over splits holds the accuracy that a method has on average.

    Each repeat draws 400 images and their splits, 360 to train on and 40 to validate.

    Returns:
        With the correction for training sets that overlap, and without.
    """
    features, train, held_out = 30, 360, 40
    weights = generator.standard_normal(features) / np.sqrt(features)

    def draw(number: int) -> tuple[np.ndarray, np.ndarray]:
        x = generator.standard_normal((number, features))
        return x, np.sign(x @ weights + 0.7 * generator.standard_normal(number))

    def fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.linalg.solve(x.T @ x + np.eye(features), x.T @ y)

    def judge(solution: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean(np.sign(x @ solution) == y))

    new = draw(20_000)
    truth = float(np.mean([judge(fit(*draw(train)), *new) for _ in range(200)]))
    hits, known = np.zeros(2), 0
    for _ in range(repeats):
        x, y = draw(train + held_out)
        values = {}
        for split in range(splits):
            order = generator.permutation(len(x))
            part, rest = order[:held_out], order[held_out:]
            values[split, 0] = judge(fit(x[rest], y[rest]), x[part], y[part])
        estimate = accuracy(list(values.values()), images=held_out)
        intervals = [
            over_splits(estimate, values, overlap, is_drawn=True).proportion_interval()
            for overlap in (held_out / train, 0)
        ]
        known += intervals[0] is not None  # no interval is given where all splits agree
        hits += [
            interval is not None and interval[0] <= truth <= interval[1] for interval in intervals
        ]
    return float(hits[0] / known), float(hits[1] / known)


if __name__ == "__main__":
    main()
