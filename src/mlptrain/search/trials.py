"""The work of one process of a search: ask Optuna for settings, train them, report the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.datasets import Inventories
from mlptrain.locks import lock
from mlptrain.search.space import Space
from mlptrain.store import names
from mlptrain.store.heartbeat import claim
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.runs import read_history
from mlptrain.sweeps.cells import slug
from mlptrain.sweeps.supervisor import Supervisor
from mlptrain.training.interruption import Interrupted
from mlptrain.training.run import finish_run
from mlptrain.training.views.plain import StartFacts, View

CONTINUES = "continues"
"""Attribute of a trial: number of the trial that it resumes, whose worker died or was stopped."""


@dataclass(frozen=True)
class Search:
    """A search, as each worker receives it.

    Attributes:
        name: name of the study within the storage.
        root: folder of the search, with one folder per trial.
        space: ranges and choices of the search.
        overrides: those of the command line, which hold for every trial.
        trials: total number of trials.
        epochs: epochs of a trial that is not pruned.
        seed: seed of the sampler.
        inventories: of own images, so that no trial has to look at them again.
        threads: threads of each worker; known when trials are trained.
    """

    name: str
    root: Path
    space: Space
    overrides: tuple[str, ...]
    trials: int
    epochs: int
    seed: int
    inventories: Inventories
    threads: int = 1

    def study(self, worker: int = 0) -> optuna.Study:
        """Open or create the study; its journal is a file that only ever grows."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            study_name=self.name,
            storage=JournalStorage(JournalFileBackend(str(self.root / names.JOURNAL))),
            pruner=self._pruner(),
            direction="maximize",
            load_if_exists=True,
        )
        # A resumed search must not draw its first trials again.
        drawn = len(study.get_trials(deepcopy=False))
        entropy = np.random.SeedSequence([self.seed, worker, drawn])
        study.sampler = self._sampler(int(entropy.generate_state(1)[0]))
        return study

    def _sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        if self.space.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        # Running trials count as bad ones, so that workers do not all try the same settings.
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)

    def _pruner(self) -> optuna.pruners.BasePruner:
        if self.space.pruner == "hyperband":
            return optuna.pruners.HyperbandPruner(1, self.epochs, reduction_factor=3)
        if self.space.pruner == "median":
            return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
        return optuna.pruners.NopPruner()


def started_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that count toward the total: started, and not resumed by another."""
    trials = study.get_trials(deepcopy=False)
    continued = {trial.user_attrs.get(CONTINUES) for trial in trials}
    return [
        trial
        for trial in trials
        if trial.state != TrialState.WAITING and trial.number not in continued
    ]


def work(search: Search, worker: int, supervisor: Supervisor) -> None:
    """Train trials until the total is reached, or the search is asked to stop."""
    study = search.study(worker)
    while supervisor.reason_to_stop() is None:
        with lock(search.root / names.TRIAL_LOCK):
            if len(started_trials(study)) >= search.trials:
                return
            trial = study.ask()
        with supervisor.at_work():
            _train(search, study, trial, supervisor)


def _train(
    search: Search, study: optuna.Study, trial: optuna.Trial, supervisor: Supervisor
) -> None:
    """Train a trial's settings in their folder and tell the study the result."""
    try:
        suggested = search.space.suggest(trial)
        overrides = [*search.space.settings, *search.overrides, *suggested]
        threads = f"runtime.threads={search.threads}"
        config = compose([*overrides, threads], search.inventories).config
        folder = search.root / f"{slug(suggested)}-{config_hash(config)[:8]}"
        folder.mkdir(exist_ok=True)
        trial.set_user_attr("folder", folder.name)
        view = _TrialView(trial)
        command = ["mlptrain", *overrides]
        # Two workers may get the same settings: the second waits for the first.
        with claim(folder):
            metrics = finish_run(
                config, RunFolder(folder), view, command, supervisor.reason_to_stop
            )
    except Interrupted:
        if view.pruned:
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
    if CONTINUES not in trial.user_attrs or is_stopped:
        study.enqueue_trial(trial.params, user_attrs={CONTINUES: number})


class _TrialView(View):
    """Reports each epoch's validation accuracy to Optuna, and stops the run if Optuna prunes it."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self.pruned = False

    def start(self, facts: StartFacts) -> None:
        """Report the epochs that a resumed trial was trained for before."""
        done = facts.resumed_from_epoch or 0
        for row in read_history(facts.folder)[:done]:
            self._report(row)

    def epoch_done(self, row: Mapping[str, Any], best: bool) -> None:
        """Report the epoch, and stop the run if Optuna prunes it."""
        self._report(row)
        if self._trial.should_prune():
            self.pruned = True
            raise Interrupted(f"pruned by the search after epoch {row['epoch']}")

    def _report(self, row: Mapping[str, Any]) -> None:
        self._trial.report(row["val_accuracy"], int(row["epoch"]))
