"""Run a search from its command to its last trial: workers, results, resuming."""

import json
import shlex
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlptrain.config.command_line import CommandLine
from mlptrain.config.overrides import text_of, texts_of
from mlptrain.config.schema import Config
from mlptrain.datasets import DataSettings, Inventories
from mlptrain.errors import ConfigError
from mlptrain.formatting import fitting_names, percent, quantity, report_command, shown_path
from mlptrain.model.process import check_machine
from mlptrain.search.halving import Halving
from mlptrain.search.known_runs import add_known_runs
from mlptrain.search.space_file import load_space
from mlptrain.search.trials import (
    CONTINUES,
    KNOWN,
    SAME_AS,
    Search,
    current_trials,
    is_done,
    progress_of,
    requeue,
    work,
)  # fmt: skip
from mlptrain.store.run_folder import alone_in
from mlptrain.sweeps.cells import folder_name
from mlptrain.sweeps.launchers import Launcher
from mlptrain.sweeps.packing import Packing, pack
from mlptrain.sweeps.supervisor import Supervisor, supervise
from mlptrain.training.interruption import Interrupted

_BEST = 5
_THREADS = "threads"
"""Attribute of the study: number of threads of each worker."""
_WARM = "known_runs_added"
"""Attribute of the study: known runs were looked for, once."""
_LOKY = Launcher(children=True, jobs_key="workers")
"""How workers run: no launcher of Hydra's starts them."""
_POLL_SECONDS = 0.5


def open_search(
    name: str, line: CommandLine, trials: int | None = None, budget: int | None = None
) -> tuple[Search, Config]:
    """Return the search that a command describes and the config that its trials start from.

    Args:
        name: name of a file of `conf/search`, or a path.
        line: the command line; its overrides hold for every trial, and a key of the space that is
            among them is not searched.
        trials: total number of trials; None for as many as the file says.
        budget: most epochs of all trials together; None for as many as the file says.

    Raises:
        ConfigError: the space or an override is not valid; nothing was started.
    """
    stem, space = load_space(name)
    for override in line.hydra:
        raise ConfigError(
            "settings of a trial",
            text_of(override),
            "remove it; --workers N sets the number of parallel workers",
        )
    line.require_one_run()
    for override in line.overrides:
        if override.is_sweep_override():
            raise ConfigError(
                f"one value for {override.key_or_group}",
                text_of(override),
                "list several values in the search's file, under space",
            )
    overrides = texts_of(line.overrides)
    searched = space.without({o.key_or_group: text_of(o).partition("=")[2] for o in line.overrides})
    if not searched.space:
        raise ConfigError(
            "at least one key to search",
            f"overrides that leave none of the keys that it searches: {', '.join(space.space)}",
            "remove one of these overrides",
        )
    space = searched
    inventories: Inventories = {}
    config = space.check(overrides, inventories)
    config.logger.check_ready()
    check_machine([config.runtime])
    if not config.data.split_sizes()["validation"]:
        raise ConfigError(
            "a validation split to choose by",
            f"data.validation_fraction={config.data.validation_fraction}",
            "set data.validation_fraction=0.1",
        )
    epochs = config.train.epochs
    if (entry := space.space.get("train.epochs")) is not None:
        epochs = max(int(value or 0) for value in entry.values_to_check())
    budget = budget or space.budget
    if budget is not None and budget < epochs:
        raise ConfigError(
            "a budget that at least one trial can finish with",
            f"{quantity(budget, 'epoch')}, where train.epochs is {epochs}",
            f"use --budget {6 * epochs}, or fewer epochs: train.epochs={max(1, budget // 6)}",
        )
    output_root = Path(config.output_root).expanduser().resolve()
    root = output_root / folder_name(config.name or f"search_{stem}")
    search = Search(
        name=root.name,
        root=root,
        space=space,
        overrides=tuple(overrides),
        trials=trials or space.trials,
        halving=Halving.of(epochs, budget) if space.halving else Halving((epochs,), budget),
        seed=config.seed,
        inventories=inventories,
    )
    return search, config


def run_search(search: Search, config: Config, workers: int | None, command: Sequence[str]) -> None:
    """Train the trials of a search that are not finished yet.

    Args:
        search: as `open_search` returns it.
        config: that its trials start from.
        workers: number of parallel workers; None for as many as cores, memory and GPUs allow.
        command: what to type to resume the search.

    Raises:
        ConfigError: the search was started with other settings.
        Interrupted: a signal stopped the search; the same command resumes it.
    """
    with alone_in(search.root, "search"):
        study = search.study()
        _check_same(study, search)
        if _WARM not in study.user_attrs:
            add_known_runs(study, search, search.root.parent)
            study.set_user_attr(_WARM, True)
        # Chosen once, because a trial's result must not depend on the number of workers.
        threads = config.runtime.threads or study.user_attrs.get(_THREADS)
        cells = [config] * min(search.trials, 256)
        packing = pack(replace(_LOKY, jobs=workers), cells, search.root.parent, threads)
        if _THREADS not in study.user_attrs:
            study.set_user_attr(_THREADS, packing.threads)
        search = replace(search, threads=packing.threads)
        _run(search, config.data, study, packing, command)


def _run(
    search: Search,
    data: DataSettings,
    study: optuna.Study,
    packing: Packing,
    command: Sequence[str],
) -> None:
    console = Console(highlight=False)
    _requeue_running(study)  # no process is training them: this one holds the lock
    printed = {t.number for t in study.get_trials(deepcopy=False) if t.state.is_finished()}
    while not is_done(search, study):
        started = sum(not trial.is_known for trial in progress_of(study))
        known = f", {quantity(len(printed), 'known run')}" if printed and not started else ""
        trials = f"{started} of {quantity(search.trials, 'trial')}{known}"
        console.print(f"{trials}, {quantity(packing.workers, 'worker')}")
        with supervise(search.root, _LOKY, packing.devices) as (supervisor, interruption):
            supervisor.read_images([data])
            is_broken = _launch(search, supervisor, study, packing.workers, printed, console)
        if interruption.reason is not None:
            console.print(f"to resume: {shlex.join(command)}", soft_wrap=True, markup=False)
            raise Interrupted(interruption.reason)
        _requeue_running(study)
        if not is_broken:
            break
        console.print("a worker process died; resuming the trials that are not finished")
    root = shown_path(search.root)
    _print_best(study, search, console)
    console.print(f"in {root}", soft_wrap=True, markup=False)
    console.print(f"next: {report_command(search.root)}", soft_wrap=True, markup=False)


def _requeue_running(study: optuna.Study) -> None:
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        requeue(study, trial.number)


def _check_same(study: optuna.Study, search: Search) -> None:
    """Check that a resumed search has the settings it was started with."""
    settings = json.loads(search.space.model_dump_json(exclude={"trials", "budget"}))
    settings["overrides"] = [o for o in search.overrides if not o.startswith("runtime.")]
    earlier = study.user_attrs.get("settings")
    if earlier is None:
        study.set_user_attr("settings", settings)
    elif earlier != settings:
        differing = [key for key in settings if earlier.get(key) != settings[key]]
        raise ConfigError(
            f"the {', '.join(differing)} that the search in {search.root} was started with",
            "; ".join(f"{json.dumps(settings[key])} now, {json.dumps(earlier.get(key))} then"
                      for key in differing)[:600],
            "use the same ones, or start another search with name=OTHER",
        )  # fmt: skip


def _launch(
    search: Search,
    supervisor: Supervisor,
    study: optuna.Study,
    workers: int,
    printed: set[int],
    console: Console,
) -> bool:
    """Run the workers until they end; return whether one of them died."""
    from joblib.externals.loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=workers)
    try:
        futures: list[Future[Any]] = [
            executor.submit(work, search, supervisor) for _ in range(workers)
        ]
        while not all(future.done() for future in futures):
            time.sleep(_POLL_SECONDS)
            _print_finished(study, search, printed, console)
        _print_finished(study, search, printed, console)
        for future in futures:
            future.result()
    except BrokenProcessPool:
        return True
    finally:
        executor.shutdown(wait=True)
    return False


def _print_finished(
    study: optuna.Study, search: Search, printed: set[int], console: Console
) -> None:
    """Print a line for each trial that finished since the last call."""
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished() or trial.number in printed:
            continue
        printed.add(trial.number)
        values = " ".join(search.space.overrides(trial.params))
        match trial.state:
            case TrialState.COMPLETE:
                result = f"validation {percent(trial.value)}"
            case TrialState.PRUNED:
                accuracy = percent(trial.intermediate_values.get(trial.last_step or 0))
                result = f"paused after epoch {trial.last_step}, validation {accuracy}"
            case _:
                result = f"failed: {trial.user_attrs.get('reason', 'its worker died')}"
        if SAME_AS in trial.user_attrs:
            result += f" (known, as trial {trial.user_attrs[SAME_AS] + 1})"
        elif CONTINUES in trial.user_attrs:
            result += f" (resumed trial {trial.user_attrs[CONTINUES] + 1})"
        console.print(f"trial {trial.number + 1}  {result}  {values}", soft_wrap=True, markup=False)


def _print_best(study: optuna.Study, search: Search, console: Console) -> None:
    """Print a table of the best finished trials, titled with the number of each outcome."""
    trials = [t for t in current_trials(study) if SAME_AS not in t.user_attrs]
    started = [t for t in trials if KNOWN not in t.user_attrs]
    epochs = sum(trial.epochs for trial in progress_of(study) if not trial.is_known)
    counts = [
        f"{sum(t.state == state for t in started)} {outcome}"
        for outcome, state in (
            ("finished", TrialState.COMPLETE),
            ("paused", TrialState.PRUNED),
            ("failed", TrialState.FAIL),
        )
    ]
    if len(trials) > len(started):
        counts.append(quantity(len(trials) - len(started), "known run"))
    table = Table(
        title=f"{', '.join(counts)} ({quantity(epochs, 'epoch')})", title_justify="left",
        title_style="bold", box=None, padding=(0, 1),
    )  # fmt: skip
    for heading in ("validation", "settings", "folder"):
        table.add_column(
            heading, justify="right" if heading == "validation" else "left", no_wrap=True
        )
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = sorted(complete, key=lambda t: -(t.value or 0.0))[:_BEST]
    root = shown_path(search.root)
    folders = [f"{root}/{trial.user_attrs.get('folder', '')}" for trial in best]
    labels, lines = fitting_names("folder", folders, console.width)
    for trial, label in zip(best, labels, strict=True):
        values = "\n".join(search.space.overrides(trial.params))
        table.add_row(percent(trial.value), values, escape(label))
    console.print(table)
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
