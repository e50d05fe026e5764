from itertools import count

import pytest

from mlptrain.search.halving import Halving, Progress


@pytest.mark.parametrize(
    ("epochs", "rungs"),
    [(1, (1,)), (2, (1, 2)), (5, (1, 2, 5)), (9, (1, 3, 9)), (30, (1, 3, 10, 30))],
)
def test_rungs_are_a_third_of_a_third_of_all_epochs(epochs, rungs):
    assert Halving.of(epochs).rungs == rungs


def paused(*accuracies, first=0, epoch=1, **facts):
    """Trials that paused after an epoch, the best one last if they ascend."""
    return [
        Progress(number, "paused", {epoch: accuracy}, **facts)
        for number, accuracy in enumerate(accuracies, start=first)
    ]


def test_the_best_third_of_a_rung_trains_on_and_the_highest_rung_comes_first():
    halving = Halving.of(9)
    assert halving.promoted(paused(0.2, 0.3), is_last=False) is None
    low = paused(0.2, 0.4, 0.3)
    assert halving.promoted(low, is_last=False) == low[1]
    high = [Progress(n, "paused", {1: 0.5, 3: 0.5 + n / 100}) for n in (7, 8, 9)]
    assert halving.promoted([*low, *high], is_last=False) == high[2]


def test_a_trial_at_chance_or_a_failed_one_takes_a_place_and_is_never_promoted():
    halving = Halving.of(9)
    trials = [*paused(0.1, 0.11, at_chance=True), Progress(5, "failed", {1: 0.9})]
    assert halving.promoted(trials, is_last=False) is None
    learning = paused(0.2, first=6)
    assert halving.promoted([*trials, *learning], is_last=False) == learning[0]
    assert halving.promoted([*trials[:2], *learning], is_last=True) == learning[0]
    failed_at_once = [Progress(n, "failed", {}) for n in (7, 8)]
    assert halving.promoted([*failed_at_once, *learning], is_last=False) == learning[0]


def test_the_last_promotions_finish_at_least_one_trial_once_none_can_overtake_it():
    halving = Halving.of(9)
    trials = paused(0.2, 0.3)
    running = Progress(2, "running", {})
    assert halving.promoted([*trials, running], is_last=True) is None
    assert halving.promoted(trials, is_last=True) == trials[1]
    # Where all are at chance, one epoch was too short to know.
    at_chance = paused(0.1, 0.11, at_chance=True)
    assert halving.promoted(at_chance, is_last=True) == at_chance[1]


def test_a_finished_run_from_elsewhere_is_a_rival_that_costs_nothing():
    halving = Halving.of(9, budget=20)
    known = [
        Progress(n, "finished", {1: 0.4, 3: 0.5, 9: 0.6}, is_known=True) for n in range(10, 15)
    ]
    low = paused(0.3)
    assert halving.promoted([*known, *low], is_last=False) is None  # 2 of 6, both known
    assert halving.promoted([*known, *paused(0.45)], is_last=False) is not None
    assert halving.may_start(known)
    # One that stopped early stands at a later rung with its last accuracy.
    early = [Progress(n, "finished", {1: 0.1, 2: 0.7}, is_known=True) for n in (1, 2)]
    high = Progress(3, "paused", {1: 0.4, 3: 0.5})
    assert halving.promoted([*early, high], is_last=False) is None
    assert early[0].at(3) == 0.7


@pytest.mark.parametrize("budget", [30, 31, 95, 180])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_budget_is_never_exceeded_and_at_least_one_trial_finishes(budget, workers):
    halving = Halving.of(30, budget)
    numbers = count()
    trials: dict[int, Progress] = {}
    targets: dict[int, int] = {}
    while True:
        progress = list(trials.values())
        step = halving.promoted(progress, is_last=False)
        if step is None and halving.may_start(progress):
            step = Progress(next(numbers), "running", {})
        step = step or halving.promoted(progress, is_last=True)
        if step is not None and len(targets) < workers:
            targets[step.number] = next(r for r in halving.rungs if r > step.epochs)
            trials[step.number] = Progress(step.number, "running", step.accuracies)
            continue
        if not targets:
            break
        number, target = targets.popitem()
        accuracies = dict.fromkeys(range(1, target + 1), 0.2 + number % 7 / 100)
        state = "finished" if target == 30 else "paused"
        trials[number] = Progress(number, state, accuracies)
    assert sum(trial.epochs for trial in trials.values()) <= budget
    assert any(trial.state == "finished" for trial in trials.values())
    assert len(trials) >= budget / 10 - 3
