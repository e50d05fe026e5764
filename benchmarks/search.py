"""`mlptrain search` against the study's grid and random search, at equal compute in epochs.

    python benchmarks/search.py train FOLDER [--seconds 3600] [KEY=VALUE…]  # repeat until done
    python benchmarks/search.py draw FOLDER  # docs/results/search.json, docs/assets/search.png

Every training is the real command, for each method and search seed in an output root of its own,
so that no search knows another's runs. The grid is `study=optimizers`; search and random search
have the space of `conf/search/optimizers.yaml` and as many epochs as the grid. The seed is that of
the sampler and of the trainings. What counts is the last epoch of runs that finished.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from vs_plain_keras import machine

from mlptrain.config.location import SEARCH, file_of
from mlptrain.figures.style import QUIET, TRAIN, VALIDATION, new_figure, styled
from mlptrain.formatting import markdown_table, percent
from mlptrain.search.trials import CONTINUES, KNOWN
from mlptrain.store import names

METHODS = ("search", "random", "grid")
CELLS = 6
"""Runs of the grid `study=optimizers`."""
DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class Step:
    """One stretch of training.

    Attributes:
        epochs: trained in it.
        validation: accuracy of the run that finished with it; None if none did.
        folder: of that run.
    """

    epochs: int
    validation: float | None
    folder: Path | None


def command_of(method: str, seed: int, folder: Path, overrides: list[str]) -> list[str]:
    """Return the arguments with which `mlptrain` trains everything of a method and seed."""
    common = [f"seed={seed}", f"output_root={folder / f'{method}-{seed}'}", *overrides]
    if method == "grid":
        return ["-m", "study=optimizers", "name=grid", "artifacts=minimal", *common]
    epochs = next((o.partition("=")[2] for o in overrides if o.startswith("train.epochs=")), "30")
    space = folder / f"{method}.yaml"
    content = yaml.safe_load(file_of(SEARCH, "optimizers").read_text(encoding="utf-8"))
    if method == "random":
        content |= {"sampler": "random", "halving": False}
    space.write_text(yaml.safe_dump(content), encoding="utf-8")
    limits = ["--trials", "1000", "--budget", str(CELLS * int(epochs))]
    return ["search", str(space), "name=search", *limits, *common]


def train(folder: Path, seeds: int, seconds: float, overrides: list[str]) -> None:
    """Train what is missing, seed by seed; stop after some seconds, to be resumed later."""
    end = time.monotonic() + seconds
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(1, seeds + 1):
        for method in METHODS:
            done = folder / f"{method}-{seed}.done"
            if done.exists():
                continue
            words = command_of(method, seed, folder, overrides)
            print(f"mlptrain {shlex.join(words)}", flush=True)
            process = subprocess.Popen([sys.executable, "-m", "mlptrain", *words])
            try:
                code = process.wait(max(1.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)  # saves the running trainings
                process.wait()
                print("time is up; the same command resumes")
                return
            if code:
                sys.exit(f"mlptrain ended with {code}")
            done.touch()


def steps_of(method: str, root: Path) -> list[Step]:
    """Return the stretches of training of a method and seed, in the order in which they ended."""
    if method == "grid":
        runs = [json.loads(f.read_text(encoding="utf-8")) | {"folder": f.parent}
                for f in root.glob(f"grid/*/{names.RUN}")]  # fmt: skip
        ended = sorted((run for run in runs if run.get("finished")), key=lambda r: r["finished"])
        return [
            Step(run["config"]["train"]["epochs"], *_result(run["folder"]))
            if run["status"] == "finished"
            else Step(len((run["folder"] / names.HISTORY).read_text().splitlines()) - 1, None, None)
            for run in ended
        ]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = JournalFileBackend(str(root / "search" / names.JOURNAL))
    trials = optuna.load_study(study_name="search", storage=JournalStorage(backend)).trials
    steps = []
    for trial in sorted(
        (t for t in trials if t.datetime_complete and KNOWN not in t.user_attrs),
        key=lambda t: t.datetime_complete.timestamp() if t.datetime_complete else 0.0,
    ):
        before = trials[trial.user_attrs[CONTINUES]] if CONTINUES in trial.user_attrs else None
        epochs = (trial.last_step or 0) - ((before.last_step or 0) if before else 0)
        is_finished = trial.state == TrialState.COMPLETE
        run = root / "search" / trial.user_attrs.get("folder", "")
        steps.append(Step(epochs, *(_result(run) if is_finished else (None, None))))
    return steps


def _result(folder: Path) -> tuple[float, Path]:
    metrics = json.loads((folder / names.METRICS).read_text(encoding="utf-8"))
    return metrics["val_accuracy"], folder


def curve_of(steps: list[Step]) -> dict[str, Any]:
    """Return the best validation accuracy so far against epochs, and the best run's test."""
    epochs, total, curve = list[int](), 0, list[float]()
    best: Step | None = None
    for step in steps:
        total += step.epochs
        if step.validation is None or (curve and curve[-1] >= step.validation):
            continue
        best = step
        epochs.append(total)
        curve.append(step.validation)
    test, settings = None, ""
    if best is not None and best.folder is not None:
        metrics = json.loads((best.folder / names.METRICS).read_text(encoding="utf-8"))
        test = round(metrics["test_accuracy"], 4)
        settings = best.folder.name.rpartition("-")[0]
    return {
        "epochs": epochs, "best": [round(value, 4) for value in curve],
        "total_epochs": total, "test": test, "settings": settings,
        "finished": sum(step.validation is not None for step in steps),
    }  # fmt: skip


def draw(folder: Path, out: Path, picture: Path) -> None:
    """Write the curves and the picture, and print the table of the best runs."""
    curves: dict[str, dict[str, Any]] = {method: {} for method in METHODS}
    for done in sorted(folder.glob("*.done")):
        method, _, seed = done.stem.partition("-")
        curves[method][seed] = curve_of(steps_of(method, folder / done.stem))
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine(), "curves": curves}, indent=1)
    (out / "search.json").write_text(text + "\n", encoding="utf-8")
    _picture(curves, picture)
    rows = []
    for method, seeds in curves.items():
        if seeds:
            best = [curve["best"][-1] for curve in seeds.values()]
            test = [curve["test"] for curve in seeds.values()]
            rows.append([
                method, str(len(seeds)), percent(statistics.median(best)),
                f"{percent(min(best))} to {percent(max(best))}", percent(statistics.median(test)),
            ])  # fmt: skip
    head = ["method", "seeds", "validation, median", "range", "test, median"]
    print("\n".join(markdown_table(head, rows, numbers=(1, 2, 3, 4))))


def _picture(curves: dict[str, dict[str, Any]], path: Path) -> None:
    with styled():
        figure = new_figure(7, 4)
        axes = figure.add_axes((0.1, 0.13, 0.87, 0.83))
        for color, (method, seeds) in zip((TRAIN, VALIDATION, QUIET), curves.items(), strict=True):
            for number, curve in enumerate(seeds.values()):
                if curve["best"]:
                    x = [*curve["epochs"], curve["total_epochs"]]
                    y = [100 * value for value in (*curve["best"], curve["best"][-1])]
                    axes.step(x, y, where="post", color=color, label=None if number else method)
        axes.set(xlabel="epochs of all trials", ylabel="best finished run on validation (%)")
        axes.legend(frameon=False)
        figure.savefig(path)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("action", choices=("train", "draw"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for every training")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=DOCS / "results")
    parser.add_argument("--picture", type=Path, default=DOCS / "assets" / "search.png")
    arguments = parser.parse_intermixed_args()
    if arguments.action == "train":
        train(arguments.folder.resolve(), arguments.seeds, arguments.seconds, arguments.overrides)
    else:
        draw(arguments.folder.resolve(), arguments.out, arguments.picture)


if __name__ == "__main__":
    main()
