"""Finished runs below the output root that are settings of a search's space: its warm start."""

from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState, create_trial

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash, recipe_hash
from mlptrain.errors import ConfigError, RunFolderError
from mlptrain.search.proposals import OTHER_SEED, Defaults
from mlptrain.search.space import Scalar
from mlptrain.search.trials import KNOWN, Search
from mlptrain.store.reading import find_run_folders
from mlptrain.store.runs import Run, read_run


def add_known_runs(study: optuna.Study, search: Search, output_root: Path) -> None:
    """Add each run with the search's recipe but for the searched keys as a finished trial.

    Its data and its number of epochs are part of the recipe. A run with another seed tells the
    sampler something, but a trial with the same settings is trained all the same.
    """
    base = [*search.space.settings, *search.overrides]
    defaults = Defaults(search.space, base, search.inventories)
    recipes: dict[str, dict[str, Scalar] | None] = {}
    added = {t.user_attrs.get("folder") for t in study.get_trials(deepcopy=False)}
    for path in find_run_folders(output_root):
        try:
            run = read_run(path)
        except RunFolderError:
            continue  # `mlptrain runs` says what is wrong with it
        if run.status != "finished" or "val_accuracy" not in run.metrics:
            continue
        recipe = run.facts.recipe_hash
        if recipe not in recipes:
            recipes[recipe] = _values(run, search, defaults)
        values = recipes[recipe]
        folder = str(run.path)
        if values is None or folder in added:
            continue
        composed = compose([*base, *search.space.overrides(values)], search.inventories).config
        attributes = {"folder": folder, KNOWN: True}
        if config_hash(composed) != run.facts.config_hash:
            attributes[OTHER_SEED] = True
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                params=values,
                distributions=_distributions(search, values),
                value=run.metrics["val_accuracy"],
                user_attrs=attributes,
                intermediate_values=_accuracies(run),
            )
        )


def _values(run: Run, search: Search, defaults: Defaults) -> dict[str, Scalar] | None:
    """Return a run's values of the searched keys; None if it differs in anything else."""
    try:
        values = defaults.values(run.facts.config)
        if list(values) != [key for key, _ in search.space.active(values)]:
            return None
        overrides = [*search.space.settings, *search.overrides, *search.space.overrides(values)]
        config = compose(overrides, search.inventories).config
    except (ConfigError, TypeError):  # the folder is untrusted, or of another version
        return None
    return values if recipe_hash(config) == run.facts.recipe_hash else None


def _accuracies(run: Run) -> dict[int, float]:
    rows = enumerate(run.history, start=1)
    return {epoch: value for epoch, row in rows if (value := row["val_accuracy"]) is not None}


def _distributions(search: Search, values: dict[str, Scalar]) -> dict[str, BaseDistribution]:
    """Return what Optuna would draw these values from."""
    study = optuna.create_study()
    study.enqueue_trial(values)
    trial = study.ask()
    search.space.suggest(trial)
    return trial.distributions
