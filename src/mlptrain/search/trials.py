"""The work of one process of a search: take a trial, train it to its next rung, tell the result."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.datasets import Inventories
from mlptrain.locks import lock
from mlptrain.search.halving import Halving, Progress
from mlptrain.search.proposals import propose
from mlptrain.search.space import Space
from mlptrain.store import names
from mlptrain.store.heartbeat import claim
from mlptrain.store.reading import read_json
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.runs import read_history
from mlptrain.sweeps.cells import slug
from mlptrain.sweeps.supervisor import Supervisor
from mlptrain.training.interruption import Interrupted
from mlptrain.training.run import finish_run
from mlptrain.training.views.plain import StartFacts, View

CONTINUES = "continues"
"""Attribute of a trial: number of the one that it resumes, which paused or whose worker died."""
SAME_AS = "same_as"
"""Attribute of a trial: number of an earlier one with the same settings, whose result it took."""
KNOWN = "known"
"""Attribute of a trial: it is a run that was trained outside the search."""
_DEATHS = "deaths"
_AT_CHANCE = "at_chance"
_STATES = {
    TrialState.RUNNING: "running", TrialState.PRUNED: "paused",
    TrialState.COMPLETE: "finished", TrialState.FAIL: "failed",
}  # fmt: skip
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Search:
    """A search, as each worker receives it.

    Attributes:
        name: name of the study within the storage.
        root: folder of the search, with one folder per trial.
        space: ranges and choices of the search.
        overrides: those of the command line, which hold for every trial.
        trials: total number of trials.
        halving: rungs and budget.
        seed: seed of the sampler.
        inventories: of own images, so that no trial has to look at them again.
        threads: threads of each worker; known when trials are trained.
    """

    name: str
    root: Path
    space: Space
    overrides: tuple[str, ...]
    trials: int
    halving: Halving
    seed: int
    inventories: Inventories
    threads: int = 1

    def study(self) -> optuna.Study:
        """Open or create the study; its journal is a file that only ever grows."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        return optuna.create_study(
            study_name=self.name,
            storage=JournalStorage(JournalFileBackend(str(self.root / names.JOURNAL))),
            sampler=optuna.samplers.RandomSampler(),  # `propose` has fixed every value
            direction="maximize",
            load_if_exists=True,
        )

    def next_step(self, trials: list[Progress]) -> Progress | bool:
        """Return the paused trial to train on, or whether to start another one."""
        started = sum(not trial.is_known for trial in trials)
        if step := self.halving.promoted(trials, is_last=False):
            return step
        if started < self.trials and self.halving.may_start(trials):
            return True
        return self.halving.promoted(trials, is_last=True) or False


def current_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that started and are not resumed by another."""
    trials = study.get_trials(deepcopy=False)
    continued = {trial.user_attrs.get(CONTINUES) for trial in trials}
    return [
        trial
        for trial in trials
        if trial.state != TrialState.WAITING and trial.number not in continued
    ]


def progress_of(study: optuna.Study) -> list[Progress]:
    """Return how far each trial has come."""
    return [
        Progress(
            trial.number,
            _STATES[trial.state],  # type: ignore[arg-type]
            # A trial that took the result of another one counts, but stands in no rung.
            {} if SAME_AS in trial.user_attrs else trial.intermediate_values,
            trial.user_attrs.get(_AT_CHANCE, False),
            KNOWN in trial.user_attrs,
        )
        for trial in current_trials(study)
    ]


def is_done(search: Search, study: optuna.Study) -> bool:
    """Return whether no trial is left to train."""
    unfinished = study.get_trials(deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING))
    return not unfinished and not search.next_step(progress_of(study))


def work(search: Search, supervisor: Supervisor) -> None:
    """Train trials until none is left, or the search is asked to stop."""
    study = search.study()
    while supervisor.reason_to_stop() is None:
        with lock(search.root / names.TRIAL_LOCK):
            trial = _take(search, study)
            is_waiting = trial is None and any(t.state == "running" for t in progress_of(study))
        if trial is not None:
            with supervisor.at_work():
                _train(search, study, trial, supervisor)
        elif is_waiting:  # the result of a running trial decides what comes next
            time.sleep(_POLL_SECONDS)
        else:
            return


def _take(search: Search, study: optuna.Study) -> optuna.Trial | None:
    """Return the next trial to train, from where its predecessor stopped; None for none.

    A trial with settings that are known takes their result at once.
    """
    while True:
        if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            step = search.next_step(progress_of(study))
            if step is False:
                return None
            if isinstance(step, Progress):
                _enqueue(study, study.get_trials(deepcopy=False)[step.number], {})
            else:
                known = {
                    trial.number: trial for trial in current_trials(study)
                    if SAME_AS not in trial.user_attrs
                }  # fmt: skip
                is_first = all(KNOWN in trial.user_attrs for trial in known.values())
                values, twin = propose(
                    search.space, search.overrides, search.inventories, list(known.values()),
                    [search.seed, len(study.get_trials(deepcopy=False))], is_first=is_first,
                )  # fmt: skip
                if twin is not None and not twin.state.is_finished():
                    return None
                attributes = {} if twin is None else {SAME_AS: twin.number}
                study.enqueue_trial(values, user_attrs=attributes)
        trial = study.ask()
        search.space.suggest(trial)
        earlier = trial.user_attrs.get(CONTINUES, trial.user_attrs.get(SAME_AS))
        if earlier is None:
            return trial
        predecessor = study.get_trials(deepcopy=False)[earlier]
        for epoch, accuracy in predecessor.intermediate_values.items():
            trial.report(accuracy, epoch)
        if CONTINUES in trial.user_attrs:
            if _DEATHS in trial.user_attrs and not _trains_on(search, study, trial.number):
                study.tell(trial, state=TrialState.PRUNED)  # it died at a rung
                continue
            return trial
        for name, attribute in predecessor.user_attrs.items():
            if name not in (CONTINUES, KNOWN):
                trial.set_user_attr(name, attribute)
        is_complete = predecessor.state == TrialState.COMPLETE
        study.tell(trial, predecessor.value if is_complete else None, predecessor.state)


def _trains_on(search: Search, study: optuna.Study, number: int) -> bool:
    """Return whether a running trial is between two rungs, or promoted at the one it reached."""
    trials = [
        replace(trial, state="paused") if trial.number == number else trial
        for trial in progress_of(study)
    ]
    (trial,) = (trial for trial in trials if trial.number == number)
    if trial.epochs not in search.halving.rungs[:-1]:
        return True
    step = search.next_step(trials)
    return isinstance(step, Progress) and step.number == number


def _train(
    search: Search, study: optuna.Study, trial: optuna.Trial, supervisor: Supervisor
) -> None:
    """Train a trial's settings in their folder and tell the study the result."""
    view = _TrialView(search, study, trial)
    try:
        suggested = search.space.overrides(trial.params)
        overrides = [*search.space.settings, *search.overrides, *suggested]
        threads = f"runtime.threads={search.threads}"
        config = compose([*overrides, threads], search.inventories).config
        folder = search.root / f"{slug(suggested)}-{config_hash(config)[:8]}"
        folder.mkdir(exist_ok=True)
        trial.set_user_attr("folder", folder.name)
        command = ["mlptrain", *overrides]
        with claim(folder):
            metrics = finish_run(
                config, RunFolder(folder), view, command, supervisor.reason_to_stop
            )
    except Interrupted:
        if view.is_paused:
            study.tell(trial, state=TrialState.PRUNED)
        else:  # the search was stopped: its next command resumes this trial
            requeue(study, trial.number, is_stopped=supervisor.reason_to_stop() is not None)
    except Exception as error:
        trial.set_user_attr("reason", f"{type(error).__name__}: {error}"[:500])
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, metrics["val_accuracy"])


def requeue(study: optuna.Study, number: int, is_stopped: bool = False) -> None:
    """Have a new trial resume one whose worker died or was stopped.

    A trial whose worker died twice counts as failed, unless the search `is_stopped`.
    """
    trial = study.get_trials(deepcopy=False)[number]
    study.tell(number, state=TrialState.FAIL)
    deaths = trial.user_attrs.get(_DEATHS, 0) + (not is_stopped)
    if deaths < 2:
        _enqueue(study, trial, {_DEATHS: deaths})


def _enqueue(study: optuna.Study, trial: FrozenTrial, attributes: Mapping[str, Any]) -> None:
    """Have a new trial resume an earlier one."""
    carried = {k: trial.user_attrs[k] for k in (_DEATHS, _AT_CHANCE) if k in trial.user_attrs}
    attributes = {CONTINUES: trial.number, **carried, **attributes}
    study.enqueue_trial(trial.params, user_attrs=attributes)


class _TrialView(View):
    """Reports each epoch's validation accuracy, and pauses the run at a rung."""

    def __init__(self, search: Search, study: optuna.Study, trial: optuna.Trial) -> None:
        self._search, self._study, self._trial = search, study, trial
        self._epochs = set(study.get_trials(deepcopy=False)[trial.number].intermediate_values)
        self._chance = 0.0
        self.is_paused = False

    def start(self, facts: StartFacts) -> None:
        """Report the epochs that a resumed trial was trained for before."""
        guess = read_json(facts.folder, names.RUN)["data"]["guessing"]["validation"]
        error = math.sqrt(guess * (1 - guess) / facts.split_sizes["validation"])
        self._chance = guess + 2 * error
        for row in read_history(facts.folder)[: facts.resumed_from_epoch or 0]:
            self._report(row)

    def epoch_done(self, row: Mapping[str, Any], best: bool) -> None:
        """Report the epoch; pause the run at a rung unless it is promoted at once."""
        self._report(row)
        epoch = int(row["epoch"])
        if epoch not in self._search.halving.rungs[:-1]:
            return
        with lock(self._search.root / names.TRIAL_LOCK):
            self._trial.set_user_attr(_AT_CHANCE, bool(row["val_accuracy"] <= self._chance))
            self.is_paused = not _trains_on(self._search, self._study, self._trial.number)
        if self.is_paused:
            raise Interrupted(f"paused by the search after epoch {epoch}")

    def _report(self, row: Mapping[str, Any]) -> None:
        if (epoch := int(row["epoch"])) not in self._epochs:
            self._epochs.add(epoch)
            self._trial.report(row["val_accuracy"], epoch)
