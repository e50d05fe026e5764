"""Train the cells of a sweep through its launcher until none is left."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import time
import warnings
from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.types import TaskFunction
from omegaconf import DictConfig, open_dict, read_write
from rich.console import Console

from mlptrain.config.command_line import CommandLine
from mlptrain.crash import await_reports
from mlptrain.errors import ConfigError, FullDiskError, TrainingError
from mlptrain.formatting import duration, quantity, quoted, report_command
from mlptrain.model.process import check_machine
from mlptrain.store import names
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.store.runs import read_run
from mlptrain.store.sweep_file import known_sweep
from mlptrain.sweeps.cells import Cell, Plan, plan_sweep
from mlptrain.sweeps.estimate import work
from mlptrain.sweeps.launchers import most_jobs_of_array, read_launcher
from mlptrain.sweeps.ledger import (
    Entry,
    await_silence,
    how_to_retry,
    left_to_train,
    read_ledger,
)
from mlptrain.sweeps.packing import estimator_of, pack
from mlptrain.sweeps.progress import Watch
from mlptrain.sweeps.summary import summarize, summary_table, write_summary
from mlptrain.sweeps.supervisor import supervise
from mlptrain.sweeps.tables import counts, ledger_table, places
from mlptrain.sweeps.view import show
from mlptrain.sweeps.worker import FULL_DISK, train_cell
from mlptrain.training.interruption import Interrupted

if TYPE_CHECKING:
    from mlptrain.sweeps.ray_cluster import RayCluster

_MOST_DEATHS = 2
"""A cell whose worker died this often has failed, if the cell was alone the last time. One dead
worker takes the others with it, and their cells are not to blame."""

_LOST_JOB = "UncompletedJobError"
"""submitit's error for a job that was killed, or canceled while it waited."""


MakeLauncher = Callable[[TaskFunction], Any]


def launch(line: CommandLine, hydra_config: DictConfig, make_launcher: MakeLauncher) -> list[Any]:
    """Train the cells of a sweep that are not finished yet, and print how it ended.

    Args:
        line: the command line that asks for the sweep.
        hydra_config: Hydra's master config; receives the sweep's folder and the number of workers.
        make_launcher: makes the launcher of a function that trains a cell.

    Returns:
        An empty list, because Hydra expects one.

    Raises:
        ConfigError: a cell is not valid; nothing was started.
        TrainingError: at least one cell failed; the others are done.
        Interrupted: Ctrl-C; the running cells are saved and can be resumed.
    """
    plan = plan_sweep(line.overrides, line.study, line.base)
    for cell in plan.cells:
        cell.config.logger.check_ready()
    began = time.monotonic()
    root, entries, has_trained = train_plan(plan, line, hydra_config, make_launcher)
    console = Console(highlight=False)
    has_results = print_results(root, entries, console)
    took = f", in {duration(time.monotonic() - began)}" if has_trained else ""
    console.print(counts(entries) + took)
    console.print(places(root, entries), soft_wrap=True, markup=False)
    if has_results:
        console.print(f"next: {report_command(root)}", soft_wrap=True, markup=False)
    require_finished(entries)
    return []


def train_plan(
    plan: Plan, line: CommandLine, hydra_config: DictConfig, make_launcher: MakeLauncher
) -> tuple[Path, list[Entry], bool]:
    """Train the cells of a plan that are not finished yet; arguments as for `launch`.

    Returns:
        The sweep's folder, the state of each cell, and whether any was left to train.

    Raises:
        Interrupted: Ctrl-C; the running cells are saved and can be resumed.
    """
    output_root = Path(plan.cells[0].config.output_root).expanduser().resolve()
    root = output_root / plan.name
    launcher, cluster = read_launcher(hydra_config.hydra), None
    remembered = known_sweep(root)
    if launcher.name == "ray":
        named = plan.named_as({} if remembered is None else remembered.cells).cells
        if left_to_train(read_ledger(root, output_root, named), bool(line.retry_failed)):
            from mlptrain.sweeps.ray_cluster import RayCluster

            cluster = RayCluster(hydra_config.hydra.launcher.ray)
            launcher = replace(launcher, jobs=cluster.check())
    configs = [cell.config for cell in plan.cells]
    if not launcher.elsewhere:
        check_machine(config.runtime for config in configs)
    threads = None if remembered is None else remembered.threads
    packing = pack(launcher, configs, output_root, threads)
    plan = plan.named_as(plan.remember(root, line.text, packing.threads).cells)
    console = Console(highlight=False)
    entries = read_ledger(root, output_root, plan.cells)
    merged = plan.listed - len(plan.cells)
    duplicates = f" ({quantity(merged, 'duplicate')} merged)" if merged else ""
    console.print(counts(entries) + duplicates)
    remaining = left_to_train(entries, bool(line.retry_failed))
    has_trained = bool(remaining)
    if not remaining:
        console.print("nothing left to train")
    elif packing.limited:
        limited = f"{packing.workers} at a time: {packing.limited}"
        console.print(limited, soft_wrap=True, markup=False)
    with read_write(hydra_config), open_dict(hydra_config):
        hydra_config.hydra.sweep.dir = str(root)
        if launcher.jobs_key is not None and not launcher.separate:
            hydra_config.hydra.launcher[launcher.jobs_key] = packing.workers
    estimator = estimator_of(packing, output_root)
    cells = {cell.config_hash: cell for cell in plan.cells}
    deaths: Counter[str] = Counter()
    standstills = 0
    while remaining:
        watch = Watch(root, plan.cells, entries, estimator, packing.workers)
        with supervise(root, launcher, packing.devices) as (supervisor, interruption):
            waiting = [cells[entry.cell.config_hash] for entry in remaining]
            supervisor.read_images(cell.config.data for cell in waiting)
            with show(watch, plan.cells[0].config.runtime.progress):
                task = partial(train_cell, supervisor=supervisor, inventories=plan.inventories)
                groups = (
                    _pieces(_groups(waiting, Counter(), packing.workers), most_jobs_of_array())
                    if launcher.separate
                    else _groups(waiting, deaths, packing.workers)
                )
                error = None
                for group in groups:
                    if interruption.reason is not None:
                        break
                    jobs = [_job(cell, root, packing.threads) for cell in group]
                    error = _launch(make_launcher, task, jobs, root, cluster) or error
        if cluster is not None and interruption.reason is None:
            await_silence(read_ledger(root, output_root, waiting))
        entries = read_ledger(root, output_root, plan.cells)
        if interruption.reason is not None:
            console.print(counts(entries))
            console.print(f"to resume: {shlex.join(line.text)}", soft_wrap=True, markup=False)
            raise Interrupted(interruption.reason)
        if error:
            console.print(f"a worker process died ({error}); resuming the unfinished cells")
        if await_reports(entry.folder for entry in entries if entry.status == "stale"):
            entries = read_ledger(root, output_root, plan.cells)
        killed = [entry for entry in entries if entry.status == "stale"]
        alone = {
            c.config_hash for group in groups if launcher.separate or len(group) == 1 for c in group
        }
        if _blame_dead_workers(killed, deaths, alone):
            entries = read_ledger(root, output_root, plan.cells)
        before, remaining = remaining, left_to_train(entries, retry_failed=False)
        has_progressed = len(remaining) < len(before)
        if error not in (None, _LOST_JOB):
            standstills = 0 if has_progressed or killed else standstills + 1
            has_progressed = standstills < _MOST_DEATHS
        if not has_progressed:
            break
    return root, entries, has_trained


def print_results(root: Path, entries: Sequence[Entry], console: Console) -> bool:
    """Print and write the comparison of the finished cells; return whether there are any."""
    if any(entry.status != "done" for entry in entries):
        console.print(ledger_table(entries, console.width), soft_wrap=True)
    rows = summarize(read_run(entry.folder) for entry in entries if entry.status == "done")
    if rows:
        write_summary(RunFolder(root), rows)
        console.print(summary_table(rows, console.width))
        if any(row.n > 1 for row in rows):
            console.print("± is the standard deviation over n seeds", style="dim")
    return bool(rows)


def require_finished(entries: Sequence[Entry], *, also_running: bool = False) -> None:
    """Check that every cell has finished, or with `also_running` those of other processes too.

    Raises:
        TrainingError: one has not.
    """
    ended = ("done",) if also_running else ("done", "running")
    if unfinished := [entry for entry in entries if entry.status not in ended]:
        raise TrainingError(
            "every cell to finish",
            f"{len(unfinished):,} of {quantity(len(entries), 'cell')} that did not finish",
            "; ".join(
                [f"read {names.LOG} in the folder of each"]
                + ["type the same command again"] * any(e.status != "failed" for e in unfinished)
                + [text for text in [how_to_retry(entries)] if text]
            ),
        )


def _groups(cells: Sequence[Cell], deaths: Counter[str], workers: int) -> list[list[Cell]]:
    """Return the cells in groups to launch one after another, the longest cells first.

    So no worker trains alone at the end. TensorFlow applies the settings in `runtime` to a whole
    process, so cells that differ in them are in different groups. Cells whose worker died come
    last, in smaller groups after each death, until the one that kills its worker is alone.
    """
    order = sorted(cells, key=lambda cell: (deaths[cell.config_hash], -work(cell.config)))
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in order:
        runtime = cell.config.runtime
        key = (deaths[cell.config_hash], runtime.threads, runtime.device, runtime.deterministic)
        groups.setdefault(key, []).append(cell)
    return [
        group[first : first + most]
        for (count, *_), group in groups.items()
        for most in [max(1, workers >> 2 * count) if count else len(group)]
        for first in range(0, len(group), most)
    ]


def _pieces(groups: list[list[Cell]], most: int | None) -> list[list[Cell]]:
    """Cut groups that have more than the most cells."""
    return [g[i : i + (most or len(g))] for g in groups for i in range(0, len(g), most or len(g))]


def _launch(
    make_launcher: MakeLauncher,
    task: partial[str],
    jobs: list[list[str]],
    folder: Path,
    cluster: RayCluster | None,
) -> str | None:
    """Run the jobs; return the error's name if a worker process died, which ends all of them."""
    from concurrent.futures.process import BrokenProcessPool

    from joblib.externals.loky import get_reusable_executor

    # loky replaces a worker that has grown by 300 MB, which XLA's compiled code does in time.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    lost = () if cluster is None else cluster.lost_worker
    try:
        launcher = make_launcher(task if cluster is None else cluster.on_nodes(task, folder))
        # A job's value raises the error of a cell that has no status.
        ended = [job.return_value for job in launcher.launch(jobs, initial_job_idx=0)]
        if FULL_DISK in ended:
            raise FullDiskError(os.strerror(errno.ENOSPC), folder)
    except (BrokenProcessPool, *lost) as error:
        return type(error).__name__  # joblib's TerminatedWorkerError is a BrokenProcessPool
    except RuntimeError as error:
        if type(error).__name__ == _LOST_JOB:
            return _LOST_JOB
        text = str(error)
        if text.startswith("sbatch:") or "srun" in text:
            raise ConfigError(
                "SLURM to accept the jobs", text, "see the hydra.launcher.* settings of the command"
            ) from None
        raise
    finally:
        if cluster is not None:
            cluster.disconnect()  # a process keeps TensorFlow's settings of its first cell
        with contextlib.suppress(OSError):  # no room in /dev/shm, where joblib had no workers
            get_reusable_executor().shutdown(wait=True)
    return None


def _blame_dead_workers(
    killed: Sequence[Entry], deaths: Counter[str], alone: Container[str]
) -> bool:
    """Count the deaths of each cell's worker; return whether any cell failed for it."""
    deaths.update(entry.cell.config_hash for entry in killed)
    blamed = [
        entry
        for entry in killed
        if deaths[entry.cell.config_hash] >= _MOST_DEATHS and entry.cell.config_hash in alone
    ]
    for entry in blamed:
        RunRecord(RunFolder(entry.folder)).fail(
            ChildProcessError(
                "the worker process died twice: killed, or out of memory; "
                "a smaller model.hidden or train.batch_size needs less"
            )
        )
    return bool(blamed)


def _job(cell: Cell, root: Path, threads: int) -> list[str]:
    """Return the job of a cell: its overrides, its folder, and its share of the threads."""
    job = [
        *cell.overrides,
        f"hydra.sweep.dir={quoted(str(root))}",
        f"hydra.sweep.subdir={quoted(cell.folder_name)}",
    ]
    if cell.config.runtime.threads is None:
        job.append(f"runtime.threads={threads}")
    return job
