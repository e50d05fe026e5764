"""Which settings of a search mattered: Optuna's PED-ANOVA, with its uncertainty."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, create_trial
from rich.table import Table

from mlptrain.errors import RunFolderError
from mlptrain.search.trials import SAME_AS, Search, current_trials
from mlptrain.store import names

_BEST_SHARE = 0.2
_REPEATS = 100
_FEWEST = 10


@dataclass(frozen=True)
class Importance:
    """How much a setting mattered for being among the best fifth of the trials.

    Attributes:
        setting: the key.
        importance: its share of the importance of all settings, averaged over resampled trials.
        low, high: 95 % interval of the share.
        is_above_chance: whether it mattered more than in 95 % of the cases in which the results
            are shuffled over the trials.
        trials: number of trials that have the setting.
    """

    setting: str
    importance: float
    low: float
    high: float
    is_above_chance: bool
    trials: int


def importances_of(search: Search) -> list[Importance]:
    """Return the importance of every setting of a search that has begun, the largest first.

    Raises:
        RunFolderError: there are too few trials, or none.
    """
    trials: list[FrozenTrial] = []
    if (search.root / names.JOURNAL).is_file():
        trials = [
            trial for trial in current_trials(search.study())
            if SAME_AS not in trial.user_attrs and trial.state.is_finished()
        ]  # fmt: skip
    if len(trials) < _FEWEST:
        raise RunFolderError(
            f"a search of at least {_FEWEST} trials",
            f"{search.root}, with {len(trials)}",
            f"run the search first: the same command without --importance, with --trials {_FEWEST}",
        )
    return estimate(trials, seed=search.seed)


def estimate(trials: Sequence[FrozenTrial], seed: int) -> list[Importance]:
    """Return the importance of every setting of some finished, paused and failed trials."""
    # A trial that trained on is better than one that did not, whatever their accuracies.
    scores = [
        (trial.last_step or 0) + trial.intermediate_values.get(trial.last_step or 0, 0.0)
        if trial.state != optuna.trial.TrialState.FAIL else -1.0
        for trial in trials
    ]  # fmt: skip
    random = np.random.default_rng(seed)
    keys = sorted({key for trial in trials for key in trial.params})
    measured = _divergences(trials, scores, keys)
    resampled, shuffled = [], []
    for _ in range(_REPEATS):
        drawn = random.integers(len(trials), size=len(trials))
        resampled.append(_divergences([trials[i] for i in drawn], [scores[i] for i in drawn], keys))
        shuffled.append(_divergences(trials, random.permutation(scores).tolist(), keys))
    shares = [_shares(each) for each in resampled]
    low, high = np.percentile(shares, (2.5, 97.5), axis=0)
    chance = np.percentile(shuffled, 95, axis=0)
    return sorted(
        (
            Importance(
                key, round(float(share), 4), round(float(low[i]), 4), round(float(high[i]), 4),
                bool(measured[i] > chance[i]), sum(key in trial.params for trial in trials),
            )
            for i, (key, share) in enumerate(zip(keys, np.mean(shares, axis=0), strict=True))
        ),
        key=lambda each: -each.importance,
    )  # fmt: skip


def _divergences(
    trials: Sequence[FrozenTrial], scores: Sequence[float], keys: Sequence[str]
) -> np.ndarray:
    """Return how far the values of the best trials are from those of all, for each key."""
    study = optuna.create_study(direction="maximize")
    for trial, score in zip(trials, scores, strict=True):
        study.add_trial(
            create_trial(params=trial.params, distributions=trial.distributions, value=score)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # resampled trials may all be equally good
        divergences = get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(target_quantile=_BEST_SHARE),
            normalize=False,
        )
    return np.array([divergences.get(key, 0.0) for key in keys])


def _shares(divergences: np.ndarray) -> np.ndarray:
    total = divergences.sum()
    return divergences / total if total else np.full(len(divergences), 1 / len(divergences))


def as_json(importances: Sequence[Importance]) -> str:
    """Return the importances as JSON."""
    return json.dumps([asdict(each) for each in importances], indent=2)


def as_table(importances: Sequence[Importance]) -> Table:
    """Return the importances as a table for the screen."""
    table = Table(
        title="what the best fifth of the trials has in common, as shares", title_justify="left",
        title_style="bold", box=None, padding=(0, 1),
    )  # fmt: skip
    table.add_column("setting", no_wrap=True)
    for heading in ("share %", "95 % interval", "trials"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for each in importances:
        share, low, high = (100 * v for v in (each.importance, each.low, each.high))
        remark = "" if each.is_above_chance else "no more than by chance"
        interval = f"{low:.0f} to {high:.0f}"
        table.add_row(each.setting, f"{share:.0f}", interval, str(each.trials), remark)
    return table
