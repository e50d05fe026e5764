"""Build docs/results.md and its pictures from docs/results/, and put its figures into other pages.

    python scripts/build_results.py --collect outputs/full   # once, after the sweep
    python scripts/build_results.py --collect outputs/ablation
    python scripts/build_results.py                          # from docs/results/ alone

`--collect` copies `sweep.json` and the `metrics.json`, `run.json`, `history.csv` and `config.yaml`
of each finished cell to docs/results/<study>/. All else is made from these, so anyone can check it.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import page_figures
from page_figures import DOCS, RESULTS, gap_to_study, read
from stage_figures import splits_figure, stage_figure, steps_figure

from mlptrain.config.compose import compose
from mlptrain.figures import figure_png, sample_grid
from mlptrain.formatting import markdown_table
from mlptrain.reports.image_results import image_count
from mlptrain.reports.stages import StageRow, stage_rows
from mlptrain.reports.statistics import difference
from mlptrain.store import names
from mlptrain.store.runs import SPLITS, Run, find_runs
from mlptrain.store.sweep_file import SweepFile
from mlptrain.sweeps.summary import figure_of

FILES = (names.METRICS, names.RUN, names.HISTORY, names.CONFIG)


def collect(sweep: Path) -> None:
    """Copy the files of a sweep that the pages are made from."""
    folder = RESULTS / sweep.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(sweep / names.SWEEP, folder / names.SWEEP)
    for run in find_runs([sweep]).runs:
        if run.facts.status == "finished":
            target = folder / run.path.name
            target.mkdir()
            for name in FILES:
                shutil.copyfile(run.path / name, target / name)


def _percent(row: StageRow, split: str) -> str:
    values = row.values(split)
    return figure_of(values).percent() if values else ""


def agreement(row: StageRow) -> str:
    """Return our mean minus the study's accuracy, and whether one more run could differ as much.

    The split is test if the study gives it, otherwise validation or train.
    """
    for split in ("test", "validation", "train"):
        if split in row.study and row.values(split):
            gap, half = gap_to_study(row, split)
            if half is None:
                return f"{split} {gap:+.1f}"
            within = "within" if abs(gap) <= half else "outside"
            return f"{split} {gap:+.1f}, {within} ± {half:.1f}"
    return ""


def stage_text(stage: dict[str, Any], rows: Sequence[StageRow]) -> list[str]:
    """Return the section of a stage."""
    lines = [f"## {stage['title']}", "", f"{stage['question']} The study: {stage['finding']}.", ""]
    heads = ["", "n", *(f"{split}, %" for split in SPLITS), "study", "difference from the study"]
    table = []
    for row in rows:
        given = " / ".join(f"{row.study[s]:g}" if s in row.study else "-" for s in SPLITS)
        cells = [row.label, str(len(row.runs)), *(_percent(row, s) for s in SPLITS)]
        table.append([*cells, given if row.study else "", agreement(row)])
    return [
        *lines,
        *markdown_table(heads, table, numbers=range(1, 5)),
        "",
        f"![{stage['title']}](assets/stage_{stage['name']}.png)",
        "",
    ]


def steps_text(steps: Sequence[StageRow]) -> list[str]:
    """Return the ablation's table: the accuracies of each step, and what it adds to the last."""
    heads = ["", "n", *(f"{split}, %" for split in SPLITS), "added on validation", "on test"]
    table = []
    for before, row in zip([None, *steps], steps, strict=False):
        cells = [row.label, str(len(row.runs)), *(_percent(row, s) for s in SPLITS)]
        cells += [
            "" if before is None else gain(before, row, split) for split in ("validation", "test")
        ]
        table.append(cells)
    return [
        *markdown_table(heads, table, numbers=range(1, 7)),
        "",
        "![Ablation](assets/ablation.png)",
        "",
    ]


def gain(before: StageRow, after: StageRow, split: str) -> str:
    """Return points with their 95 % interval, paired by seed, such as `+2.3 (+1.1 to +3.5)`."""
    images = image_count([*before.runs, *after.runs], split)
    estimate, _ = difference(before.by_seed(split), after.by_seed(split), images=images)
    mean = f"{100 * estimate.mean:+.1f}"
    if (interval := estimate.interval()) is None:
        return mean
    return f"{mean} ({100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"


def commands_and_place(runs: Sequence[Run], sweep: SweepFile) -> list[str]:
    """Return the commands of a study, and the machines and versions that ran them."""
    machines = {
        f"{m['cpu']}, {m['cores']} cores" for run in runs if (m := run.facts.machine) is not None
    }
    versions = {
        ", ".join(f"{k} {v}" for k, v in run.facts.versions.items() if k != "python")
        for run in runs
    }
    seeds = sorted({run.facts.seed for run in runs})
    commands = "\n".join(" ".join(command) for command in sweep.commands)
    return [
        "```",
        commands,
        "```",
        "",
        f"{len(runs)} runs, seeds {', '.join(map(str, seeds))}; {'; '.join(sorted(machines))}; "
        f"{'; '.join(sorted(versions))}.",
        "",
    ]


def results_page() -> str:
    """Return docs/results.md: the texts of docs/results_*.md, and a table for each stage."""
    sweep, runs = read("full")
    lines = [
        "<!-- Made by scripts/build_results.py from docs/results/; edit docs/results_*.md. -->",
        (DOCS / "results_study.md").read_text(encoding="utf-8"),
        *commands_and_place(runs, sweep),
    ]
    for stage in sweep.stages:
        lines += stage_text(stage, stage_rows(stage, runs))
    sweep, runs = read("ablation")
    lines.append((DOCS / "results_ablation.md").read_text(encoding="utf-8"))
    lines.append("<!-- not run: ten nets of full size -->")
    steps = [row for stage in sweep.stages for row in stage_rows(stage, runs)]
    lines += [*commands_and_place(runs, sweep), *steps_text(steps)]
    return "\n".join(lines).rstrip() + "\n"


def draw_pictures() -> None:
    """Write the pictures of the pages to docs/assets/."""
    sweep, runs = read("full")
    for stage in sweep.stages:
        rows = stage_rows(stage, runs)
        curves = {row.label: [run.history for run in row.runs] for row in rows}
        figure = stage_figure(stage["title"], stage["question"], curves)
        (DOCS / "assets" / f"stage_{stage['name']}.png").write_bytes(figure_png(figure))
    sweep, runs = read("ablation")
    by_seed = {
        step.label: {seed: value for (_, seed), value in step.by_seed("validation").items()}
        for stage in sweep.stages
        for step in stage_rows(stage, runs)
    }
    (DOCS / "assets" / "ablation.png").write_bytes(figure_png(steps_figure(by_seed)))
    dataset = compose([]).config.data.load(print)
    (DOCS / "assets" / "splits.png").write_bytes(figure_png(splits_figure(dataset.sizes())))
    grid = sample_grid(dataset.train.images[:16], dataset.train.labels[:16], dataset.class_names)
    (DOCS / "assets" / "samples.png").write_bytes(figure_png(grid))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--collect", type=Path, metavar="SWEEP", help="copy its small files first")
    arguments = parser.parse_args()
    if arguments.collect:
        collect(arguments.collect)
    page_figures.main()
    (DOCS / "results.md").write_text(results_page(), encoding="utf-8")
    draw_pictures()


if __name__ == "__main__":
    main()
