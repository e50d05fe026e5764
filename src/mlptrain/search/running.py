"""Run a search from its command to its last trial: workers, results, resuming."""

import json
import shlex
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import compose
from mlptrain.config.overrides import text_of, texts_of
from mlptrain.config.validation import check_installed
from mlptrain.datasets import DataSettings, Inventories
from mlptrain.errors import ConfigError
from mlptrain.formatting import percent, quantity, report_command, shown_path
from mlptrain.model.process import check_machine
from mlptrain.search.space import load_space
from mlptrain.search.trials import Search, requeue, started_trials, work
from mlptrain.store import names
from mlptrain.store.run_folder import alone_in
from mlptrain.sweeps.cells import folder_name
from mlptrain.sweeps.launchers import Launcher
from mlptrain.sweeps.packing import pack
from mlptrain.sweeps.supervisor import Supervisor, supervise
from mlptrain.training.interruption import Interrupted

_BEST = 5
_THREADS = "threads"
"""Attribute of the study: number of threads of each worker."""
_LOKY = Launcher(children=True, jobs_key="workers")
"""How workers run: no launcher of Hydra's starts them."""
_POLL_SECONDS = 0.5


def run_search(name: str, line: CommandLine, trials: int | None, workers: int | None) -> None:
    """Train the trials of a search that are not finished yet.

    Args:
        name: name of a file of `conf/search`, or a path.
        line: the command line; its overrides hold for every trial, and a key of the space that is
            among them is not searched.
        trials: total number of trials; None for as many as the file says.
        workers: number of parallel workers; None for as many as cores and memory allow.

    Raises:
        ConfigError: the space or an override is not valid; nothing was started.
        Interrupted: a signal stopped the search; the same command resumes it.
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
    fixed = {override.key_or_group for override in line.overrides}
    searched = {key: entry for key, entry in space.space.items() if key not in fixed}
    if not searched:
        raise ConfigError(
            "at least one key to search",
            f"overrides of all the keys that it searches: {', '.join(space.space)}",
            "remove one of these overrides",
        )
    space = space.model_copy(update={"space": searched})
    inventories: Inventories = {}
    space.check(overrides, inventories)
    first = space.overrides({key: entry.values_to_check()[0] for key, entry in searched.items()})
    config = compose([*space.settings, *overrides, *first], inventories).config
    check_installed(config.logger)
    check_machine([config.runtime])
    if not config.data.split_sizes()["validation"]:
        raise ConfigError(
            "a validation split to choose by",
            f"data.validation_fraction={config.data.validation_fraction}",
            "set data.validation_fraction=0.1",
        )
    output_root = Path(config.output_root).expanduser().resolve()
    root = output_root / folder_name(config.name or f"search_{stem}")
    with alone_in(root, "search"):
        search = Search(
            name=root.name,
            root=root,
            space=space,
            overrides=tuple(overrides),
            trials=trials or space.trials,
            epochs=config.train.epochs,
            seed=config.seed,
            inventories=inventories,
        )
        study = search.study()
        _check_same(study, search)
        # Chosen once, because a trial's result must not depend on the number of workers.
        threads = config.runtime.threads or study.user_attrs.get(_THREADS)
        packing = pack(replace(_LOKY, jobs=workers), [config] * search.trials, output_root, threads)
        if _THREADS not in study.user_attrs:
            study.set_user_attr(_THREADS, packing.threads)
        search = replace(search, threads=packing.threads)
        _run(search, config.data, study, packing.workers, line.text)


def _run(
    search: Search, data: DataSettings, study: optuna.Study, workers: int, command: Sequence[str]
) -> None:
    console = Console(highlight=False)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        requeue(study, trial.number)  # no process is running it: this one holds the lock
    printed = {t.number for t in study.get_trials(deepcopy=False) if t.state.is_finished()}
    while len(ended := [t for t in started_trials(study) if t.state.is_finished()]) < search.trials:
        trials = f"{len(ended)} of {quantity(search.trials, 'trial')}"
        console.print(f"{trials}, {quantity(workers, 'worker')}")
        with supervise(search.root, _LOKY) as (supervisor, interruption):
            supervisor.read_images([data])
            is_broken = _launch(search, supervisor, study, workers, printed, console)
        if interruption.reason is not None:
            console.print(f"to resume: {shlex.join(command)}", soft_wrap=True, markup=False)
            raise Interrupted(interruption.reason)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            requeue(study, trial.number)
        if not is_broken:
            break
        console.print("a worker process died; resuming the trials that are not finished")
    console.print(_best(study, search))
    root = shown_path(search.root)
    console.print(f"in {root}", soft_wrap=True, markup=False)
    console.print(f"next: {report_command(search.root)}", soft_wrap=True, markup=False)
    if find_spec("optuna_dashboard"):
        journal = shlex.quote(f"{root}/{names.JOURNAL}")
        console.print(f"next: optuna-dashboard {journal}", soft_wrap=True)


def _check_same(study: optuna.Study, search: Search) -> None:
    """Check that a resumed search has the settings it was started with."""
    settings = json.loads(search.space.model_dump_json(exclude={"trials"}))
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
            executor.submit(work, search, worker, supervisor) for worker in range(workers)
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
                result = f"pruned after epoch {trial.last_step}"
            case _:
                result = f"failed: {trial.user_attrs.get('reason', 'its worker died')}"
        console.print(f"trial {trial.number + 1}  {result}  {values}", soft_wrap=True, markup=False)


def _best(study: optuna.Study, search: Search) -> Table:
    """Return a table of the best finished trials, titled with the number of each outcome."""
    trials = started_trials(study)
    complete = sorted(
        (t for t in trials if t.state == TrialState.COMPLETE), key=lambda t: -(t.value or 0.0)
    )
    pruned = sum(t.state == TrialState.PRUNED for t in trials)
    failed = sum(t.state == TrialState.FAIL for t in trials)
    table = Table(
        title=f"{len(complete)} finished, {pruned} pruned, {failed} failed", title_justify="left",
        title_style="bold", box=None, padding=(0, 1),
    )  # fmt: skip
    table.add_column("validation", justify="right")
    table.add_column("settings", no_wrap=True)  # the folder's name folds, a number must not
    table.add_column("folder", overflow="fold")
    for trial in complete[:_BEST]:
        values = "\n".join(search.space.overrides(trial.params))
        table.add_row(percent(trial.value), values, str(trial.user_attrs.get("folder", "")))
    return table
