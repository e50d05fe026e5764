"""How right the findings are: runs with a planted fault, and healthy ones.

    python benchmarks/findings.py train FOLDER [--seconds 3600]   # repeat until all are trained
    python benchmarks/findings.py follow FOLDER [--seconds 3600]  # the first suggested commands
    python benchmarks/findings.py score FOLDER                    # the tables of docs/findings.md

The cases are in `planted.py`. Each goes by the hash of its config into one of two halves; one was
looked at when the thresholds were chosen, the other, set aside, was only scored.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from planted import HEALTHY, QUIET, Case, cases

from mlptrain.cli import run_command_line
from mlptrain.datasets.cifar10 import Data
from mlptrain.findings import Facts, RunFinding, find
from mlptrain.formatting import markdown_table
from mlptrain.store.runs import Run, read_run

NO_RUN = "no finding"


def write_data_sets(folder: Path) -> None:
    """Write `digits.npz` (scikit-learn's), and two sets of CIFAR-10's images, most of one class."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images, labels = (bunch.images * 15.9375).astype(np.uint8), bunch.target
    np.savez(folder / "digits.npz", images=images, labels=labels)
    photos = Data.read_local_copy()
    images, labels = photos.train_images, photos.train_labels
    for name, many, few in (("imbalanced", 2000, [12] * 9), ("two_classes", 1500, [80])):
        classes = [np.flatnonzero(labels == number) for number in range(1 + len(few))]
        rows = [place[:size] for place, size in zip(classes, [many, *few], strict=True)]
        chosen = np.sort(np.concatenate(rows))
        np.savez(folder / f"{name}.npz", images=images[chosen], labels=labels[chosen])


def in_turns(all_cases: Sequence[Case]) -> Iterator[Case]:
    """Yield the cases such that any first part holds every fault, and as many healthy runs."""
    waiting: dict[str, list[Case]] = {}
    for case in all_cases:
        waiting.setdefault(case.fault, []).append(case)
    while any(waiting.values()):
        for fault, group in waiting.items():
            for _ in range(len(waiting) - 1 if fault == HEALTHY else 1):
                if group:
                    yield group.pop(0)


def run_of(case: Case, root: Path) -> Run | None:
    """Return the run of a case, if it has ended by itself."""
    seed = int(case.words.rpartition("seed=")[2])
    for folder in sorted((root / case.key[:12]).glob("2*")):
        run = read_run(folder)
        is_over = run.status == "finished" or "NaN" in (run.facts.reason or "")
        if run.facts.seed == seed and is_over:
            return run
    return None


def train(root: Path, seconds: float) -> None:
    """Train what is missing, until the time is over."""
    until = time.monotonic() + seconds
    for case in in_turns(cases()):
        if time.monotonic() > until:
            return
        if run_of(case, root) is None:
            words = [*case.words.split(), *QUIET.split(), f"output_root={case.key[:12]}"]
            print(case.fault, case.words, run_command_line(words), flush=True)


def follow(root: Path, seconds: float) -> None:
    """Run the first suggested command of each planted case once, until the time is over."""
    until = time.monotonic() + seconds
    followed = _followed(root)
    for case in in_turns([case for case in cases() if case.fault != HEALTHY]):
        run = run_of(case, root)
        if run is None or case.words in followed:
            continue
        if time.monotonic() > until:
            return
        findings = find(Facts.of(run))
        if not findings or findings[0].name not in case.expected(run) or not findings[0].commands:
            continue
        before = set(_runs_after(root))
        words = shlex.split(findings[0].commands[0])[1:]
        run_command_line([*words, "output_root=after"])
        new = [folder for folder in _runs_after(root) if folder not in before]
        followed[case.words] = [findings[0].name, new[0] if new else ""]
        (root / "followed.json").write_text(json.dumps(followed, indent=1))


def _runs_after(root: Path) -> list[str]:
    return sorted(str(folder) for folder in (root / "after").glob("2*"))


def _followed(root: Path) -> dict[str, list[str]]:
    file = root / "followed.json"
    return json.loads(file.read_text()) if file.exists() else {}


def score(root: Path) -> None:
    """Print how often the planted fault is first and among the findings, and what else is."""
    for is_set_aside in (False, True):
        half = [case for case in cases() if case.is_set_aside == is_set_aside]
        pairs = [(case, run) for case in half if (run := run_of(case, root)) is not None]
        judged = [(case, run, find(Facts.of(run))) for case, run in pairs]
        print(f"\n### {'Set aside' if is_set_aside else 'Looked at'}\n")
        print("\n".join(_table(judged)))
        _summary(judged, root)


def _table(judged: Sequence[tuple[Case, Run, list[RunFinding]]]) -> list[str]:
    rows = []
    for fault in dict.fromkeys(case.fault for case, _, _ in judged):
        group = [item for item in judged if item[0].fault == fault]
        names = [[finding.name for finding in findings] for _, _, findings in group]
        if fault == HEALTHY:
            is_right = [not any(f.severity == "high" for f in each) for _, _, each in group]
            first, among = sum(is_right), sum(is_right)
        else:
            first = sum(
                bool(n) and n[0] in case.expected(run)
                for n, (case, run, _) in zip(names, group, strict=True)
            )
            among = sum(
                bool(case.expected(run) & set(n))
                for n, (case, run, _) in zip(names, group, strict=True)
            )
        others = Counter(n[0] if n else NO_RUN for n in names)
        shown = ", ".join(f"{name} {count}" for name, count in others.most_common())
        rows.append([fault, str(len(group)), str(first), str(among), shown])
    head = ["planted", "runs", "first", "among", "first findings"]
    return markdown_table(head, rows, range(1, 4))


def _summary(judged: Sequence[tuple[Case, Run, list[RunFinding]]], root: Path) -> None:
    planted = [item for item in judged if item[0].fault != HEALTHY]
    # Other images judge the run after the command for `small_evaluation`.
    mendable = [item for item in planted if item[0].fault != "small_evaluation"]
    healthy = [each for case, _, each in judged if case.fault == HEALTHY]
    first = sum(bool(f) and f[0].name in case.expected(run) for case, run, f in planted)
    quiet = sum(not any(finding.severity == "high" for finding in f) for f in healthy)
    print(f"\nFirst: {first} of {len(planted)}. Healthy without a high finding: {quiet} of "
          f"{len(healthy)}.")  # fmt: skip
    followed, mended, total = _followed(root), 0, 0
    for case, run, _ in mendable:
        name, after = followed.get(case.words, ["", ""])
        if not name:
            continue
        total += 1
        if not after:
            print(f"not mended: {case.fault}: {case.words}: the command failed")
            continue
        new = read_run(Path(after))
        is_gone = name not in [finding.name for finding in find(Facts.of(new))]
        rise = _accuracy(new) - _accuracy(run)
        mended += is_gone and rise > 0
        if not (is_gone and rise > 0):
            print(f"not mended: {case.fault}: {case.words}: {100 * rise:+.1f} points"
                  f"{'' if is_gone else ', still there'}")  # fmt: skip
    print(f"Fault gone and accuracy higher after the first command: {mended} of {total}.")


def _accuracy(run: Run) -> float:
    """Return the validation accuracy of the saved weights; test where there is no validation."""
    return run.metrics.get("val_accuracy", run.metrics.get("test_accuracy", 0.0))


def main() -> None:
    """Run the benchmark's parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["train", "follow", "score"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=1e9)
    arguments = parser.parse_args()
    root = arguments.folder.resolve()
    root.mkdir(parents=True, exist_ok=True)
    os.chdir(root)
    if not (root / "two_classes.npz").exists():
        write_data_sets(root)
    if arguments.part == "train":
        train(root, arguments.seconds)
    elif arguments.part == "follow":
        follow(root, arguments.seconds)
    else:
        score(root)


if __name__ == "__main__":
    main()
