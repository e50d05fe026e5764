"""Build the pictures of docs/why.md, and put the figures into its text.

    python scripts/build_why.py --collect outputs/full   # once, after `mlptrain study=full`
    python scripts/build_why.py                          # from docs/results/inside.json alone

`--collect` writes what was measured inside the nets of each stage, by epoch, to
docs/results/inside.json. All else is made from it, so anyone can check it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import page_figures
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from page_figures import DOCS, RESULTS, shared_end
from stage_figures import COLORS

from mlptrain.figures import figure_png
from mlptrain.figures.style import QUIET, axes_in_inches, headline, new_figure, styled
from mlptrain.formatting import percent
from mlptrain.reports.report import report_data
from mlptrain.store.runs import find_runs

FILE = RESULTS / "inside.json"
NOTE = "mean over the hidden layers and the seeds; band: lowest to highest seed; epoch 0: untrained"

PARTS = ("mean", "low", "high")
SHOWN = {
    "wider": ("dead units", "effective rank of the activations", "update ratio per step"),
    "activations": (
        "saturated activations", "SD of the activations",
        "gradient norm, first layer over last hidden layer",
    ),
    "initializers": ("dead units", "saturated activations", "SD of the activations"),
    "optimizers": ("dead units", "SD of the activations", "effective rank of the activations"),
    "callbacks": ("dead units", "SD of the activations", "effective rank of the activations"),
    "dropout": ("dead units", "SD of the activations", "effective rank of the activations"),
    "batchnorm_l2": (
        "dead units", "SD of the activations", "gradient norm, first layer over last hidden layer",
    ),
    "augmentation": ("dead units", "SD of the activations", "effective rank of the activations"),
}  # fmt: skip
"""Stage → what its picture shows."""


def collect(sweep: Path) -> None:
    """Write what was measured inside the nets of a study's stages, and their accuracies."""
    (entry,) = report_data(find_runs([sweep]), [sweep])["sweeps"]
    stages = [
        {key: stage[key] for key in ("name", "title", "inside")}
        | {
            "rows": [
                {"label": row["label"], "n": len(row["seeds"])}
                | {split: row[split]["mean"] for split in ("train", "validation", "test")}
                for row in stage["rows"]
            ]
        }
        for stage in entry["stages"]
    ]
    FILE.write_text(json.dumps(stages, separators=(",", ":")) + "\n")


def draw(stage: dict[str, Any]) -> None:
    """Draw a stage: three measurements by epoch, a line for each configuration."""
    quantities = {entry["name"]: entry["is_share"] for entry in stage["inside"]["quantities"]}
    lines = stage["inside"]["lines"]
    with styled():
        figure = new_figure(9.0, 3.55)
        headline(figure, stage["title"], NOTE, QUIET)
        for place, name in enumerate(SHOWN[stage["name"]]):
            axes = axes_in_inches(figure, 0.6 + 2.95 * place, 0.75, 2.3, 1.75)
            for number, line in enumerate(lines):
                points = [
                    point
                    for point in zip(*(line[name][k] for k in PARTS), line["epoch"], strict=True)
                    if point[0] is not None and point[-1] <= shared_end(line)
                ]
                mean, low, high, epochs = zip(*points, strict=True)
                color = COLORS[number % len(COLORS)]
                axes.plot(epochs, mean, color=color, label=line["label"])
                axes.fill_between(epochs, low, high, color=color, alpha=0.15, lw=0)
            axes.set_title(
                name.replace(", first", ",\nfirst"), loc="left", fontsize=8.5, fontweight="bold"
            )
            axes.grid(axis="y")
            axes.tick_params(length=0, labelsize=8)
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
            if quantities[name]:
                axes.set_ylim(0, None)
                axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y, 0)))
            else:
                axes.set_yscale("log")
                axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
                axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.10g}"))
                axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("epoch", labelpad=1, fontsize=8)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="lower left", ncols=3, frameon=False, fontsize=8,
            bbox_to_anchor=(0.02, 0.0), borderaxespad=0.2, columnspacing=1.5,
        )  # fmt: skip
    (DOCS / "assets" / f"why_{stage['name']}.png").write_bytes(figure_png(figure))


def main() -> None:
    """Draw all stages, and write their figures into the text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collect", type=Path, metavar="SWEEP")
    arguments = parser.parse_args()
    if arguments.collect:
        collect(arguments.collect)
    for stage in json.loads(FILE.read_text()):
        if stage["inside"] is not None:
            draw(stage)
    page_figures.main()


if __name__ == "__main__":
    main()
