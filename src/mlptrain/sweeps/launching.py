"""From a plan to its trained folders: what is left, how many at once, until nothing is left."""

from __future__ import annotations

import shlex
import warnings
from collections import Counter
from collections.abc import Callable, Container, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.types import TaskFunction
from omegaconf import DictConfig, open_dict, read_write
from rich.console import Console

from mlptrain.config.command_line import CommandLine
from mlptrain.config.spelling import quoted
from mlptrain.config.validation import check_installed
from mlptrain.errors import ConfigError, TrainingError
from mlptrain.store import names
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.store.runs import read_run
from mlptrain.store.sweep_file import known_sweep
from mlptrain.sweeps.cells import Cell, plan_sweep
from mlptrain.sweeps.estimate import Estimator, known_runs, work
from mlptrain.sweeps.launchers import read_launcher
from mlptrain.sweeps.ledger import Entry, left_to_train, read_ledger
from mlptrain.sweeps.packing import pack
from mlptrain.sweeps.progress import Watch
from mlptrain.sweeps.summary import summarize, summary_table, write_summary
from mlptrain.sweeps.supervisor import supervise
from mlptrain.sweeps.tables import counts, ledger_table
from mlptrain.sweeps.view import show
from mlptrain.sweeps.worker import train_cell
from mlptrain.training.interruption import Interrupted

_DEATHS = 2
"""A cell whose worker died so many times counts as failed, if the last time it was alone: one dead
worker takes its siblings with it, and they are not to blame."""

_LOST_JOB = "UncompletedJobError"
"""submitit's name for a job that ended without a word: killed, or cancelled while it waited."""


def launch(
    line: CommandLine, hydra_config: DictConfig, make_launcher: Callable[[TaskFunction], Any]
) -> list[Any]:
    """Train the cells that are not finished yet, several at a time.

    Args:
        line: the command line that asks for the sweep.
        hydra_config: Hydra's master config; gets the sweep's folder and the number of workers.
        make_launcher: makes the launcher of a function that trains a cell.

    Returns:
        Nothing that Hydra needs.

    Raises:
        ConfigError: a cell is not valid; nothing was started.
        TrainingError: at least one cell failed; the others are done.
        Interrupted: Ctrl-C; what was running is marked and can go on.
    """
    plan = plan_sweep(line.overrides, line.study)
    for cell in plan.cells:
        check_installed(cell.config.logger)
    output_root = Path(plan.cells[0].config.output_root).expanduser().resolve()
    root = output_root / plan.name
    launcher = read_launcher(hydra_config.hydra)
    configs = [cell.config for cell in plan.cells]
    remembered = known_sweep(root)
    threads = None if remembered is None else remembered.threads
    packing = pack(launcher, configs, output_root, threads)
    plan = plan.named_as(plan.remember(root, line.text, packing.threads).cells)
    console = Console(highlight=False)
    entries = read_ledger(root, output_root, plan.cells)
    merged = plan.listed - len(plan.cells)
    console.print(counts(entries) + (f" ({merged} listed twice)" if merged else ""))
    left = left_to_train(entries, bool(line.retry_failed))
    if not left:
        console.print("nothing left to train")
    elif packing.limited:
        console.print(f"{packing.workers} at a time: {packing.limited}")
    with read_write(hydra_config), open_dict(hydra_config):
        hydra_config.hydra.sweep.dir = str(root)
        if launcher.jobs_key is not None and not launcher.separate:
            hydra_config.hydra.launcher[launcher.jobs_key] = packing.workers
    estimator = packing.estimator or Estimator(known_runs(output_root, packing.threads))
    cells = {cell.config_hash: cell for cell in plan.cells}
    deaths: Counter[str] = Counter()
    standstills = 0
    while left:
        watch = Watch(root, plan.cells, entries, estimator, packing.workers)
        with (
            supervise(root, launcher) as (supervisor, interruption),
            show(watch, plan.cells[0].config.runtime.progress),
        ):
            task = partial(train_cell, supervisor=supervisor)
            todo = [cells[entry.cell.config_hash] for entry in left]
            groups = _groups(todo, Counter() if launcher.separate else deaths, packing.workers)
            died = None
            for group in groups:
                jobs = [_job(cell, root, packing.threads) for cell in group]
                died = _launch(make_launcher, task, jobs) or died
        entries = read_ledger(root, output_root, plan.cells)
        if interruption.reason is not None:
            console.print(counts(entries))
            console.print(f"to resume: {shlex.join(line.text)}", soft_wrap=True, markup=False)
            raise Interrupted(interruption.reason)
        if died:
            console.print(f"a worker process died ({died}); going on with what is left")
        killed = [entry for entry in entries if entry.status == "stale"]
        alone = {
            c.config_hash for group in groups if launcher.separate or len(group) == 1 for c in group
        }
        if _blame_dead_workers(killed, deaths, alone):
            entries = read_ledger(root, output_root, plan.cells)
        before, left = left, left_to_train(entries, retry_failed=False)
        moved = len(left) < len(before)
        if died not in (None, _LOST_JOB):
            standstills = 0 if moved or killed else standstills + 1
            moved = standstills < _DEATHS
        if not moved:
            break
    if any(entry.status != "done" for entry in entries):
        console.print(ledger_table(entries))
    rows = summarize(read_run(entry.folder) for entry in entries if entry.status == "done")
    if rows:
        write_summary(RunFolder(root), rows)
        console.print(summary_table(rows, console.width))
    console.print(counts(entries))
    console.print(f"in {root}", soft_wrap=True, markup=False)
    if unfinished := [entry for entry in entries if entry.status not in ("done", "running")]:
        raise TrainingError(
            f"all {len(entries)} cells to finish",
            f"{len(unfinished)} that did not",
            f"see {names.LOG} in their folders; the same command goes on; with "
            "sweep.retry_failed=true it tries failed ones again",
        )
    return []


def _groups(cells: Sequence[Cell], deaths: Counter[str], workers: int) -> list[list[Cell]]:
    """The cells, longest first, so that no worker trains alone at the end.

    What TensorFlow takes for a whole process stands in `runtime`: cells that differ there get
    workers of their own. Cells found unfinished after a worker died come last, fewer at a time
    with each death, until the one that kills its worker is alone.
    """
    order = sorted(cells, key=lambda cell: (deaths[cell.config_hash], -work(cell.config)))
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in order:
        runtime = cell.config.runtime
        key = (deaths[cell.config_hash], runtime.threads, runtime.device, runtime.deterministic)
        groups.setdefault(key, []).append(cell)
    return [
        group[first : first + most]
        for (died, *_), group in groups.items()
        for most in [max(1, workers >> 2 * died) if died else len(group)]
        for first in range(0, len(group), most)
    ]


def _launch(
    make_launcher: Callable[[TaskFunction], Any], task: TaskFunction, jobs: list[list[str]]
) -> str | None:
    """Run the jobs; the error's name if a worker process died, which ends the whole launch."""
    from concurrent.futures.process import BrokenProcessPool

    from joblib.externals.loky import get_reusable_executor

    # loky replaces a worker that has grown by 300 MB, as XLA's compiled updates make it grow.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    try:
        for job in make_launcher(task).launch(jobs, initial_job_idx=0):
            _ = job.return_value  # raises what a task could not turn into a status
    except BrokenProcessPool as error:  # joblib's TerminatedWorkerError is one
        return type(error).__name__
    except RuntimeError as error:
        if type(error).__name__ == _LOST_JOB:
            return _LOST_JOB
        told = str(error)
        if told.startswith("sbatch:") or "srun" in told:
            raise ConfigError(
                "SLURM to take the jobs", told, "see the hydra.launcher.* settings of the command"
            ) from None
        raise
    finally:
        get_reusable_executor().shutdown(wait=True)
    return None


def _blame_dead_workers(
    killed: Sequence[Entry], deaths: Counter[str], alone: Container[str]
) -> bool:
    """Count the cells whose process is gone; whether any of them is marked as failed for it."""
    deaths.update(entry.cell.config_hash for entry in killed)
    blamed = [
        entry
        for entry in killed
        if deaths[entry.cell.config_hash] >= _DEATHS and entry.cell.config_hash in alone
    ]
    for entry in blamed:
        RunRecord(RunFolder(entry.folder)).fail(
            ChildProcessError(
                "the worker process died twice: killed, or out of memory; "
                "a smaller model.hidden or train.batch_size takes less"
            )
        )
    return bool(blamed)


def _job(cell: Cell, root: Path, threads: int) -> list[str]:
    """A cell's overrides, its folder, and its share of the threads."""
    job = [
        *cell.overrides,
        f"hydra.sweep.dir={quoted(str(root))}",
        f"hydra.sweep.subdir={quoted(cell.folder_name)}",
    ]
    if cell.config.runtime.threads is None:
        job.append(f"runtime.threads={threads}")
    return job
