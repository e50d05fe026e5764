"""Simulated races with the spread that this study measured: how often they err, what they save.

    python benchmarks/race.py --races 2000

The true mean of each configuration is known, so a drop can be seen to be wrong. Spread and means
come from the runs in docs/results (three seeds each): every configuration draws one of the
measured standard deviations, and `stages` races copies of the study's stages and of its ablation.
A seed adds a common part to all configurations (`--shared`), and the validation images a part
that no seed changes (`--images`), which the rule knows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

from mlptrain.formatting import markdown_table
from mlptrain.race.rule import FIRST_SEEDS, judge

RESULTS = Path(__file__).parents[1] / "docs" / "results"
SIZES = (4, 6, 8, 12, 24)
SEEDS = 20
_FIXED = 10


@dataclass(frozen=True)
class Race:
    """One simulated race, in points.

    Attributes:
        truth: true mean of each configuration.
        dropped: rows that left the race, in order.
        racing: rows that stayed, highest first.
        outcome: `best`, `tied` or `not decided`.
        runs: number of trained runs.
        scores: of a sweep with `SEEDS` seeds, which begins with the race's own.
    """

    truth: np.ndarray
    dropped: list[int]
    racing: list[int]
    outcome: str
    runs: int
    scores: np.ndarray


def measured() -> tuple[np.ndarray, dict[str, list[tuple[float, float]]]]:
    """Return the standard deviations of all recipes, and each stage's (mean, SD), in points."""
    figures: dict[str, list[float]] = defaultdict(list)
    stages: dict[str, list[str]] = defaultdict(list)
    for sweep in ("full", "ablation"):
        for file in sorted((RESULTS / sweep).glob("*/run.json")):
            facts = json.loads(file.read_text(encoding="utf-8"))
            metrics = json.loads((file.parent / "metrics.json").read_text(encoding="utf-8"))
            figures[facts["recipe_hash"]].append(100 * metrics["val_accuracy"])
            stages[file.parent.name.partition(",")[0] if sweep == "full" else sweep].append(
                facts["recipe_hash"]
            )
    parts = {recipe: (statistics.fmean(v), statistics.stdev(v)) for recipe, v in figures.items()}
    several = {
        stage: [parts[recipe] for recipe in dict.fromkeys(recipes)]
        for stage, recipes in stages.items()
        if len(set(recipes)) > 3
    }
    return np.array([sd for _, sd in parts.values()]), several


def race(
    truth: np.ndarray, scores: np.ndarray, margin: float, max_seeds: int, images: float
) -> Race:
    """Run one race on scores that are known beforehand."""
    seen = np.full((len(truth), max_seeds), np.nan)
    racing, dropped, runs = list(range(len(truth))), list[int](), 0
    for seeds in range(FIRST_SEEDS, max_seeds + 1):
        new = slice(0 if seeds == FIRST_SEEDS else seeds - 1, seeds)
        seen[racing, new] = scores[racing, new]
        runs += len(racing) * (new.stop - new.start)
        judgment = judge(seen[:, :seeds], margin, max_seeds, 2 * images**2)
        dropped += [drop.configuration for drop in judgment.drops]
        racing = judgment.racing
        if judgment.outcome is not None:
            break
    return Race(truth, dropped, racing, str(judgment.outcome), runs, scores)


def scenarios() -> dict[str, Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]]:
    """Return name → function of the number of configurations: true means and SDs, in points."""
    spread, stages = measured()
    steady = spread[spread < 0.5]

    def normal(scale: float) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
        return lambda random, k: (scale * random.standard_normal(k), random.choice(spread, k))

    def one_better(random: np.random.Generator, k: int) -> tuple[np.ndarray, np.ndarray]:
        means = np.zeros(k)
        means[0] = random.uniform(0.5, 3)
        return means, random.choice(spread, k)

    def stage(random: np.random.Generator, k: int) -> tuple[np.ndarray, np.ndarray]:
        names = list(stages)
        means, sds = np.array(stages[names[random.integers(len(names))]]).T
        return means + sds / np.sqrt(3) * random.standard_normal(len(means)), sds

    return {
        "all equal": normal(0.0),
        "all equal, SD below 0.5": lambda random, k: (np.zeros(k), random.choice(steady, k)),
        "one better by 0.5 to 3 points": one_better,
        "spread by 0.7 points": normal(0.7),
        "spread by 3 points": normal(3.0),
        "the study's stages": stage,
    }


def best_of_sweep(scores: np.ndarray, margin: float) -> set[int]:
    """Return what a sweep's report would not tell from its best, or is within the margin of it.

    Paired t-tests against the highest mean, corrected by Holm, as in `mlptrain report`.
    """
    means = scores.mean(axis=1)
    best = int(means.argmax())
    others = [row for row in range(len(means)) if row != best]
    differences = scores[best] - scores[others]
    error = differences.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
    p = 2 * special.stdtr(scores.shape[1] - 1, -np.abs(differences.mean(axis=1)) / error)
    order = np.argsort(p)
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    close = (corrected >= 0.05) | (differences.mean(axis=1) <= margin)
    return {best, *(row for row, is_close in zip(others, close, strict=True) if is_close)}


def row(name: str, races: list[Race], margin: float, fixed: int) -> list[str]:
    """Return one line of the table."""
    lost = [r.truth[r.racing].max() < r.truth.max() - margin for r in races]
    wrong = [any(r.truth[c] >= r.truth[r.racing].max() for c in r.dropped) for r in races]
    agree = []
    for r in races:
        best = best_of_sweep(r.scores, margin)
        means = r.scores.mean(axis=1)
        agree.append(
            set(r.racing) <= best
            if r.outcome != "not decided"
            else means[r.racing].max() >= means.max() - margin
        )
    outcomes = Counter(r.outcome for r in races)
    runs = [r.runs / (fixed * len(r.truth)) for r in races]
    single = [len(best_of_sweep(r.scores[:, :fixed], margin)) == 1 for r in races]
    return [
        name,
        f"{len(races):,}",
        *(f"{100 * np.mean(flags):.1f}" for flags in (lost, wrong, agree)),
        f"{100 * statistics.median(runs):.0f}",
        *(f"{100 * outcomes[kind] / len(races):.0f}" for kind in ("best", "tied", "not decided")),
        f"{100 * np.mean(single):.0f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--races", type=int, default=2_000, help="of each kind")
    parser.add_argument("--margin", type=float, default=0.5, help="in points")
    parser.add_argument("--max-seeds", type=int, default=_FIXED)
    parser.add_argument("--shared", type=float, default=0.3, help="SD of a seed's common part")
    parser.add_argument("--images", type=float, default=0.1, help="SD of a mean by the images")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    rows, everything = [], list[Race]()
    for name, draw in scenarios().items():
        races = []
        for number in range(options.races):
            means, sds = draw(random, SIZES[number % len(SIZES)])
            noise = sds[:, None] * random.standard_normal((len(means), SEEDS))
            common = options.shared * random.standard_normal(SEEDS)
            images = options.images * random.standard_normal((len(means), 1))
            scores = means[:, None] + noise + common + images
            races.append(race(means, scores, options.margin, options.max_seeds, options.images))
        rows.append(row(name, races, options.margin, _FIXED))
        everything += races
    rows.append(row("all", everything, options.margin, _FIXED))
    head = [
        "races", "n", "best lost, %", "any wrong drop, %", f"as {SEEDS} seeds, %",
        f"runs, % of {_FIXED} seeds", "best, %", "tied, %", "not decided, %",
        f"best with {_FIXED} fixed seeds, %",
    ]  # fmt: skip
    sys.stdout.write("\n".join(markdown_table(head, rows, range(1, len(head)))) + "\n")


if __name__ == "__main__":
    main()
