"""From a grid to its trained folders: which cells are left, how many at once, what came out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict, read_write
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlptrain.errors import TrainingError
from mlptrain.runs import folder as names
from mlptrain.runs.environment import cores
from mlptrain.sweeps.cells import Cell, plan_cells, sweep_name


def launch(
    words: Sequence[str], hydra_config: DictConfig, make_launcher: Callable[[], Any]
) -> list[Any]:
    """Train the cells that are not finished yet, several at a time.

    Args:
        words: the command line's overrides.
        hydra_config: Hydra's master config; gets the sweep's folder.
        make_launcher: makes the launcher once the folder is known.

    Returns:
        What each cell's task returned.

    Raises:
        ConfigError: a cell is not valid; nothing was started.
        TrainingError: at least one cell failed; the others are done.
    """
    cells = plan_cells(words)
    first = cells[0].config
    root = Path(first.output_root).expanduser().resolve() / sweep_name(words, first)
    left = [cell for cell in cells if not _finished(root / cell.folder_name)]
    console = Console(highlight=False)
    console.print(f"{len(cells)} cells, {len(cells) - len(left)} done before, {len(left)} to train")
    with read_write(hydra_config), open_dict(hydra_config):
        hydra_config.hydra.sweep.dir = str(root)
    results: list[Any] = []
    if left:
        workers = _workers(hydra_config, len(left))
        jobs = [_job(root, cell, max(1, cores() // workers)) for cell in left]
        results = [job.return_value for job in make_launcher().launch(jobs, initial_job_idx=0)]
    console.print(_table(root, cells))
    console.print(f"in {root}", soft_wrap=True, markup=False)
    if failed := [result for result in results if result["status"] != "finished"]:
        raise TrainingError(
            f"all {len(cells)} cells to finish",
            f"{len(failed)} that did not: {failed[0]['reason']}",
            f"see {names.LOG} in their folders; the same command tries them again",
        )
    return results


def _finished(folder: Path) -> bool:
    try:
        return json.loads((folder / names.RUN).read_text())["status"] == "finished"
    except (OSError, ValueError, KeyError):
        return False


def _workers(hydra_config: DictConfig, cells: int) -> int:
    """Processes the launcher will run at once; launchers without `n_jobs` run one."""
    wanted = hydra_config.hydra.launcher.get("n_jobs", 1)
    return min(cells, cores() if wanted < 1 else wanted)


def _job(root: Path, cell: Cell, threads: int) -> list[str]:
    """A cell's overrides, its folder, and its share of the threads."""
    job = [
        *cell.overrides,
        f"hydra.sweep.dir={_quoted(str(root))}",
        f"hydra.sweep.subdir={_quoted(cell.folder_name)}",
    ]
    if cell.config.runtime.threads is None:
        job.append(f"runtime.threads={threads}")
    return job


def _quoted(text: str) -> str:
    """A value in Hydra's grammar: any path, with `=`, spaces or quotes in it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${")
    return f"'{escaped}'"


def _table(root: Path, cells: Sequence[Cell]) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("cell", "status", "train", "validation", "test"):
        table.add_column(heading, justify="left" if heading in ("cell", "status") else "right")
    rows = []
    for cell in cells:
        folder = root / cell.folder_name
        try:
            metrics = json.loads((folder / names.METRICS).read_text())
            status = "finished"
        except (OSError, ValueError):
            metrics, status = {}, "not finished"
        rows.append((metrics.get("val_accuracy") or 0.0, cell.slug, status, metrics))
    for _, text, status, metrics in sorted(rows, key=lambda row: -row[0]):
        figures = (metrics.get(key) for key in ("train_accuracy", "val_accuracy", "test_accuracy"))
        shown = ("" if value is None else f"{100 * value:.1f} %" for value in figures)
        table.add_row(escape(text), status, *shown)
    return table
