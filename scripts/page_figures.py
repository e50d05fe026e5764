"""Put the figures of docs/results/ into the sentences that page_figures.yaml lists.

    python scripts/page_figures.py   # build_results.py and build_why.py do it, too

A sentence is a part of a page, with a name in braces in place of each figure:

    test of wider                     mean, or mean ± SD, in percent; also train, validation
    highest validation of wider       of the seeds; also lowest, middle, SD
    n of wider                        number of runs
    study test of wider               what the study gives; `gap` instead of `study`: ours minus it
    test of dropout - wider           the first minus the second, paired by seed
    interval                          the 95 % interval of the difference last named
    seeds test of dropout - wider     the interval for new seeds alone
    accuracies, accuracies inside     the study's, and those inside our intervals; outside
    test in dropout                   docs/results/inside.json: an accuracy, or `dropout - wider`
    dead units in wider at 5          docs/results/inside.json: a measurement after an epoch, or end

A row is a stage, with a label where the stage has several: `activations: relu`. `*` in a label
stands for anything; several rows are averaged. A sentence without names is left alone: its figures
come from elsewhere. A figure keeps its number of decimals, and its sign where the page shows one.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mlptrain.reports.image_results import image_count
from mlptrain.reports.stages import StageRow, stage_rows
from mlptrain.reports.statistics import difference, prediction_half_width
from mlptrain.store.runs import Block, Run, find_runs
from mlptrain.store.sweep_file import SweepFile, load
from mlptrain.uncertainty import Estimate

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
RESULTS = DOCS / "results"
SENTENCES: dict[str, list[str]] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)
"""Page → its sentences."""

_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_FIGURE = rf"({_NUMBER}(?:(?: ± | to ){_NUMBER})*)"
_OF_SEEDS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "lowest": min, "middle": statistics.median, "highest": max, "SD": statistics.stdev,
}  # fmt: skip


def read(study: str) -> tuple[SweepFile, list[Run]]:
    """Return a collected sweep and its runs."""
    return load(RESULTS / study), find_runs([RESULTS / study]).runs


def shared_end(line: Mapping[str, Any]) -> int:
    """Return the last epoch that all runs of a configuration reached."""
    pairs = zip(line["epoch"], line["runs"], strict=True)
    return max(epoch for epoch, runs in pairs if runs == max(line["runs"]))


class Figures:
    """What the names in sentences stand for."""

    def __init__(self) -> None:
        self._interval: Sequence[float] = ()

    @cached_property
    def _stages(self) -> dict[str, list[StageRow]]:
        return {
            stage["name"]: stage_rows(stage, runs)
            for sweep, runs in map(read, ("full", "ablation"))
            for stage in sweep.stages
        }

    @cached_property
    def _inside(self) -> dict[str, Any]:
        stages = json.loads((RESULTS / "inside.json").read_text(encoding="utf-8"))
        return {stage["name"]: stage for stage in stages}

    def values(self, name: str) -> list[float]:
        """Return the value of a name, with its SD where it has one; both ends of an interval."""
        if name == "interval":
            return _percent(self._interval)
        if name.startswith("accuracies"):
            stages = [self._stages[stage["name"]] for stage in load(RESULTS / "full").stages]
            inside = [agrees for rows in stages for agrees in _agreements(rows)]
            counts = {"accuracies": len(inside), "inside": sum(inside)}
            return [counts.get(name.split()[-1], inside.count(False))]
        if match := re.fullmatch(r"(.+) in (.+?)(?: at (\w+))?", name):
            each = [self._measured(match[1], row, match[3]) for row in match[2].split(" - ")]
            return [each[0] - sum(each[1:])]
        quantity, _, place = name.partition(" of ")
        first, _, second = place.partition(" - ")
        *kind, split = quantity.split()
        rows = self._rows(first)
        if second:
            estimate, alone = self._compare(rows, self._rows(second), split)
            self._interval = estimate.interval() or ()
            return _percent(alone.interval() or () if kind else [estimate.mean])
        if split == "n":
            return [len(rows[0].runs)]
        accuracies = list(_by_seed(rows, split).values())
        if not kind:
            return _percent([statistics.fmean(accuracies), statistics.stdev(accuracies)])
        if kind[0] in _OF_SEEDS:
            return _percent([_OF_SEEDS[kind[0]](accuracies)])
        given = rows[0].study[split]
        return [given if kind[0] == "study" else 100 * statistics.fmean(accuracies) - given]

    def _rows(self, place: str) -> list[StageRow]:
        stage, _, label = place.partition(": ")
        return [row for row in self._stages[stage] if fnmatchcase(row.label, label or "*")]

    def _compare(self, rows: list[StageRow], others: list[StageRow], split: str) -> list[Estimate]:
        """Return the difference for new seeds and new images, and for new seeds alone."""
        images = image_count([run for row in rows + others for run in row.runs], split)
        after, before = _by_seed(rows, split), _by_seed(others, split)
        return [difference(before, after, images=count)[0] for count in (images, None)]

    def _measured(self, quantity: str, place: str, epoch: str | None) -> float:
        stage, _, label = place.partition(": ")
        entry = self._inside[stage]

        def matching(lines: list[dict[str, Any]]) -> dict[str, Any]:
            return next(line for line in lines if fnmatchcase(line["label"], label or "*"))

        if epoch is None:
            return float(100 * matching(entry["rows"])[quantity])
        (known,) = [q for q in entry["inside"]["quantities"] if q["name"].startswith(quantity)]
        line = matching(entry["inside"]["lines"])
        at = line["epoch"].index(shared_end(line) if epoch == "end" else int(epoch))
        return float(line[known["name"]]["mean"][at] * (100 if known["is_share"] else 1))


def _percent(fractions: Iterable[float]) -> list[float]:
    return [100 * fraction for fraction in fractions]


def _by_seed(rows: list[StageRow], split: str) -> dict[Block, float]:
    each = [row.by_seed(split) for row in rows]
    return {seed: statistics.fmean(values[seed] for values in each) for seed in each[0]}


def _agreements(rows: list[StageRow]) -> list[bool]:
    """Return for each accuracy that the study gives whether it is inside our interval."""
    gaps = [gap_to_study(row, split) for row in rows for split in row.study if row.values(split)]
    return [abs(gap) <= half for gap, half in gaps if half is not None]


def gap_to_study(row: StageRow, split: str) -> tuple[float, float | None]:
    """Return our mean minus the study's accuracy, and by how much one more run may differ.

    Both are in percent points; the second is None with a single run.
    """
    values = row.values(split)
    half = prediction_half_width(values)
    gap = 100 * statistics.fmean(values) - row.study[split]
    return gap, None if half is None else 100 * half


def pattern(sentence: str) -> str:
    """Return a regular expression that finds a sentence in its page, with a group per figure."""
    literals = re.split(r"\{.+?\}", sentence)
    # A page may break a line where the sentence has a space, in YAML within a comment.
    return _FIGURE.join(re.escape(part).replace(r"\ ", r"\s+(?:# )?") for part in literals)


def filled(text: str, sentences: list[str], figures: Figures) -> str:
    """Return a page with the figures that its sentences name.

    Raises:
        ValueError: a sentence is not there, or more than once.
    """
    for sentence in sentences:
        names = re.findall(r"\{(.+?)\}", sentence)
        matches = list(re.finditer(pattern(sentence), text))
        if len(matches) != 1:
            raise ValueError(f"{len(matches)} places with the sentence: {sentence}")
        pairs = zip(matches[0].groups(), names, strict=True)
        written = [_write(figure, figures.values(name)) for figure, name in pairs]
        for number in range(len(names), 0, -1):  # from the end, so that places stay where they are
            start, end = matches[0].span(number)
            text = text[:start] + written[number - 1] + text[end:]
    return text


def _write(figure: str, values: list[float]) -> str:
    """Return values with the decimals of the numbers in a figure, and signs where they have one."""

    def number(match: re.Match[str]) -> str:
        decimals, value = len(match[0].partition(".")[2]), next(numbers)
        return f"{value:+.{decimals}f}" if match[0][0] in "+-" else f"{abs(value):.{decimals}f}"

    numbers = iter(values)
    return re.sub(_NUMBER, number, figure)


def main() -> None:
    """Write the figures into all pages."""
    figures = Figures()
    for page, sentences in SENTENCES.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        (ROOT / page).write_text(filled(text, sentences, figures), encoding="utf-8")


if __name__ == "__main__":
    main()
