import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from mlptrain.search.importance import estimate


@pytest.fixture(scope="module")
def importances():
    """Of trials in which only `rate` matters, `momentum` exists with SGD and few trials finish."""
    random = np.random.default_rng(3)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trials = []
    for _ in range(60):
        params = {
            "optimizer": random.choice(["adam", "sgd"]).item(), "rate": random.uniform(),
            "noise": random.uniform(),
        }  # fmt: skip
        distributions = {
            "optimizer": CategoricalDistribution(["adam", "sgd"]),
            "rate": FloatDistribution(0, 1), "noise": FloatDistribution(0, 1),
        }  # fmt: skip
        if params["optimizer"] == "sgd":
            params["momentum"] = random.uniform()
            distributions["momentum"] = FloatDistribution(0, 1)
        accuracy = 0.5 - abs(params["rate"] - 0.3)
        accuracies = {1: accuracy, 3: accuracy} if accuracy > 0.42 else {1: accuracy}
        state = TrialState.PRUNED if accuracy > 0 else TrialState.FAIL
        trials.append(
            create_trial(
                state=state, params=params, distributions=distributions,
                intermediate_values=accuracies,
            )
        )  # fmt: skip
    return {each.setting: each for each in estimate(trials, seed=1)}


def test_the_setting_that_matters_stands_first_and_above_chance(importances):
    assert next(iter(importances)) == "rate"
    assert importances["rate"].is_above_chance
    assert importances["rate"].importance > 0.6
    assert not importances["noise"].is_above_chance
    assert sum(each.importance for each in importances.values()) == pytest.approx(1, abs=1e-3)


def test_each_share_lies_in_its_interval_and_counts_the_trials_that_have_the_setting(importances):
    assert all(0 <= each.low <= each.importance <= each.high <= 1 for each in importances.values())
    assert importances["rate"].trials == 60
    assert 20 < importances["momentum"].trials < 40
