"""A search from its command to its last trial: workers, what they found, and going on."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import compose
from mlptrain.config.sizes import split_sizes
from mlptrain.config.validation import check_installed
from mlptrain.data.shared import shared_folder
from mlptrain.errors import ConfigError, RunFolderError
from mlptrain.formatting import percent
from mlptrain.search.space import load_space
from mlptrain.search.trials import JOURNAL, Search, counted, give_back, work
from mlptrain.sweeps.cells import folder_name
from mlptrain.sweeps.launching import stop_file
from mlptrain.sweeps.packing import pack
from mlptrain.sweeps.worker import sweep_process
from mlptrain.training.interruption import Interrupted

_BEST = 5
_THREADS = "threads"
"""Of each worker: an attribute of the study."""
_LOOK_SECONDS = 0.5


def run_search(name: str, line: CommandLine, trials: int | None, workers: int | None) -> None:
    """Train the trials that a search asks for and that are not there yet.

    Args:
        name: a file of `conf/search`, or a path.
        line: the command line; its overrides hold for every trial, and a key of the space that is
            among them is not searched.
        trials: how many there shall be in all, if not as many as the file says.
        workers: at once; None for as many as cores and memory allow.

    Raises:
        ConfigError: the space or an override is not valid; nothing was started.
        Interrupted: Ctrl-C; the same command goes on.
    """
    stem, space = load_space(name)
    for override in line.hydra:
        raise ConfigError(
            "settings of trials", override.input_line, "--workers N sets how many run at once"
        )
    line.require_one_run()
    for override in line.overrides:
        if override.is_sweep_override():
            raise ConfigError(
                f"one value for {override.key_or_group}",
                override.input_line,
                "a search chooses among values that its file lists under space",
            )
    words = [override.input_line for override in line.overrides]
    pinned = {word.lstrip("+").partition("=")[0] for word in words}
    kept = {key: entry for key, entry in space.space.items() if key not in pinned}
    if not kept:
        raise ConfigError(
            "something left to search", f"all of {', '.join(space.space)} given", "leave one out"
        )
    space = space.model_copy(update={"space": kept})
    space.check(words)
    first = space.words({key: entry.ends()[0] for key, entry in kept.items()})
    config = compose([*space.settings, *words, *first]).config
    check_installed(config.logger)
    if not split_sizes(config.data)["validation"]:
        raise ConfigError(
            "a validation split to choose by",
            f"data.validation_fraction={config.data.validation_fraction}",
            "set data.validation_fraction=0.1",
        )
    output_root = Path(config.output_root).expanduser().resolve()
    root = output_root / folder_name(config.name or f"search_{stem}")
    with _alone_in(root):
        search = Search(
            name=root.name,
            root=root,
            space=space,
            words=tuple(words),
            trials=trials or space.trials,
            epochs=config.train.epochs,
            seed=config.seed,
        )
        study = search.study()
        _check_same(study, search)
        # Chosen once: a trial's figures must not depend on how many ran beside it.
        threads = config.runtime.threads or study.user_attrs.get(_THREADS)
        packing = pack({"n_jobs": workers or -1}, [config] * search.trials, output_root, threads)
        if _THREADS not in study.user_attrs:
            study.set_user_attr(_THREADS, packing.threads)
        _run(replace(search, threads=packing.threads), study, packing.workers, line.text)


@contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """The search's folder, made if it is not there, for this process alone.

    Raises:
        RunFolderError: another process runs the search, or the folder cannot be written to.
    """
    lock = FileLock(root / ".search.lock", timeout=0)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise RunFolderError(
            "a search that no other process is running", str(root), "wait for it, or name=OTHER"
        ) from None
    except OSError as error:
        raise RunFolderError(
            "a search folder that can be written to",
            f"{root}: {error.strerror or error}",
            "choose another place with output_root=PATH",
        ) from None
    try:
        yield
    finally:
        lock.release()


def _run(search: Search, study: optuna.Study, workers: int, command: Sequence[str]) -> None:
    console = Console(highlight=False)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        give_back(study, trial.number)  # nobody is running it: we hold the lock
    told = {trial.number for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()}
    while len(ended := [t for t in counted(study) if t.state.is_finished()]) < search.trials:
        console.print(f"{len(ended)} of {search.trials} trials, {workers} at a time")
        with sweep_process(), stop_file(search.root) as interruption, shared_folder():
            died = _launch(search, study, workers, told, console)
        if interruption.reason is not None:
            console.print(f"to go on: {shlex.join(command)}", soft_wrap=True, markup=False)
            raise Interrupted(interruption.reason)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            give_back(study, trial.number)
        if not died:
            break
        console.print("a worker process died; going on with what is left")
    console.print(_best(study, search))
    console.print(f"in {search.root}", soft_wrap=True, markup=False)
    console.print(f"next: mlptrain report {shlex.quote(str(search.root))}", soft_wrap=True)
    console.print(
        f"next: optuna-dashboard {shlex.quote(str(search.root / JOURNAL))}", soft_wrap=True
    )


def _check_same(study: optuna.Study, search: Search) -> None:
    """A search is gone on with only as it began."""
    asked = json.loads(search.space.model_dump_json(exclude={"trials"}))
    asked["words"] = [word for word in search.words if not word.startswith("runtime.")]
    began = study.user_attrs.get("asked")
    if began is None:
        study.set_user_attr("asked", asked)
    elif began != asked:
        differing = [key for key in asked if began.get(key) != asked[key]]
        raise ConfigError(
            f"the {', '.join(differing)} that the search in {search.root} began with",
            "; ".join(f"{json.dumps(asked[key])} now, {json.dumps(began.get(key))} then"
                      for key in differing)[:600],
            "give them as they were, or begin another search with name=OTHER",
        )  # fmt: skip


def _launch(
    search: Search, study: optuna.Study, workers: int, told: set[int], console: Console
) -> bool:
    """Run the workers to their end; whether one of them died."""
    from joblib.externals.loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=workers)
    try:
        futures: list[Future[Any]] = [
            executor.submit(work, search, worker) for worker in range(workers)
        ]
        while not all(future.done() for future in futures):
            time.sleep(_LOOK_SECONDS)
            _tell(study, search, told, console)
        _tell(study, search, told, console)
        for future in futures:
            future.result()
    except BrokenProcessPool:
        return True
    finally:
        executor.shutdown(wait=True)
    return False


def _tell(study: optuna.Study, search: Search, told: set[int], console: Console) -> None:
    """A line for each trial that ended since the last look."""
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished() or trial.number in told:
            continue
        told.add(trial.number)
        values = " ".join(search.space.words(trial.params))
        match trial.state:
            case TrialState.COMPLETE:
                how = f"validation {percent(trial.value)}"
            case TrialState.PRUNED:
                how = f"pruned after epoch {trial.last_step}"
            case _:
                how = f"failed: {trial.user_attrs.get('reason', 'its worker was gone')}"
        console.print(f"trial {trial.number + 1}  {how}  {values}", soft_wrap=True, markup=False)


def _best(study: optuna.Study, search: Search) -> Table:
    """The best finished trials, and how all ended."""
    trials = counted(study)
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
        values = "\n".join(search.space.words(trial.params))
        table.add_row(percent(trial.value), values, str(trial.user_attrs.get("folder", "")))
    return table
