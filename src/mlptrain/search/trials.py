"""One worker of a search: asks for settings, trains them, tells how they did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.search.space import Space
from mlptrain.store import run_folder as names
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.runs import read_history
from mlptrain.sweeps.cells import slug
from mlptrain.sweeps.worker import asked_to_stop, at_work
from mlptrain.training.interruption import Interrupted
from mlptrain.training.run import train_what_is_left
from mlptrain.training.views.plain import QuietView, StartFacts

JOURNAL = "optuna.journal"
CONTINUES = "continues"
"""A trial's attribute: the number of the one that it goes on with, whose worker was gone."""


@dataclass(frozen=True)
class Search:
    """What every worker knows of the search.

    Attributes:
        name: of the study within the storage.
        root: the folder of the trials.
        space: what may be tried.
        words: overrides of the command line, which are of every trial.
        trials: how many there shall be in all.
        epochs: of a trial that is not ended early.
        seed: of the sampler.
        threads: of each worker; it does not matter before trials are trained.
    """

    name: str
    root: Path
    space: Space
    words: tuple[str, ...]
    trials: int
    epochs: int
    seed: int
    threads: int = 1

    def study(self, worker: int = 0) -> optuna.Study:
        """The study, opened or created; its journal is a file that only ever grows."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            study_name=self.name,
            storage=open_storage(self.root),
            pruner=self._pruner(),
            direction="maximize",
            load_if_exists=True,
        )
        # A search that goes on must not draw again what it began with.
        drawn = len(study.get_trials(deepcopy=False))
        entropy = np.random.SeedSequence([self.seed, worker, drawn])
        study.sampler = self._sampler(int(entropy.generate_state(1)[0]))
        return study

    def _sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        if self.space.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        # Running trials count as bad ones, so that workers do not all try the same place.
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)

    def _pruner(self) -> optuna.pruners.BasePruner:
        if self.space.pruner == "hyperband":
            return optuna.pruners.HyperbandPruner(1, self.epochs, reduction_factor=3)
        if self.space.pruner == "median":
            return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
        return optuna.pruners.NopPruner()


def open_storage(root: Path) -> JournalStorage:
    """The storage below the search's folder, for us and for Optuna's own tools."""
    return JournalStorage(JournalFileBackend(str(root / JOURNAL)))


def counted(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials that count towards the number asked for: begun, and not gone on with by others."""
    trials = study.get_trials(deepcopy=False)
    continued = {trial.user_attrs.get(CONTINUES) for trial in trials}
    return [
        trial
        for trial in trials
        if trial.state != TrialState.WAITING and trial.number not in continued
    ]


def work(search: Search, worker: int) -> None:
    """Train trials until there are as many as asked for, or the search is asked to stop."""
    study = search.study(worker)
    while asked_to_stop() is None:
        with FileLock(search.root / ".ask"):
            if len(counted(study)) >= search.trials:
                return
            trial = study.ask()
        with at_work():
            _train(search, study, trial)


def _train(search: Search, study: optuna.Study, trial: optuna.Trial) -> None:
    """Train a trial's settings in their folder and tell the study how it ended."""
    try:
        words = search.space.suggest(trial)
        overrides = [*search.space.settings, *search.words, *words]
        config = compose([*overrides, f"runtime.threads={search.threads}"]).config
        folder = search.root / f"{slug(words)}-{config_hash(config)[:8]}"
        folder.mkdir(exist_ok=True)
        trial.set_user_attr("folder", folder.name)
        view = _TrialView(trial)
        command = ["mlptrain", *overrides]
        # Two workers may have been given the same settings: the second waits for the first.
        with FileLock(folder / names.CLAIM):
            metrics = train_what_is_left(config, RunFolder(folder), view, command, asked_to_stop)
    except Interrupted:
        if view.pruned:
            study.tell(trial, state=TrialState.PRUNED)
        else:  # the search was stopped: its next command goes on with this trial
            give_back(study, trial.number)
    except Exception as error:
        trial.set_user_attr("reason", f"{type(error).__name__}: {error}"[:500])
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, metrics["val_accuracy"])


def give_back(study: optuna.Study, number: int) -> None:
    """Have another trial go on with the settings of one whose worker is gone.

    Only once: what takes its worker with it twice has failed.
    """
    trial = study.get_trials(deepcopy=False)[number]
    study.tell(number, state=TrialState.FAIL)
    if CONTINUES not in trial.user_attrs or asked_to_stop() is not None:
        study.enqueue_trial(trial.params, user_attrs={CONTINUES: number})


class _TrialView(QuietView):
    """Tells Optuna each epoch's validation accuracy, and stops the run where it says so."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self.pruned = False

    def start(self, facts: StartFacts) -> None:
        """Of a trial that goes on: the epochs trained before its worker was gone."""
        done = facts.resumed_from_epoch or 0
        for row in read_history(facts.folder)[:done]:
            self._report(row)

    def epoch_done(self, row: Mapping[str, Any], best: bool) -> None:
        """Tell it, and end the run where Optuna has seen enough."""
        self._report(row)
        if self._trial.should_prune():
            self.pruned = True
            raise Interrupted(f"pruned by the search after epoch {row['epoch']}")

    def _report(self, row: Mapping[str, Any]) -> None:
        self._trial.report(row["val_accuracy"], int(row["epoch"]))
