"""Who leaves a race and when it ends. Scores are in points."""

import numpy as np
import pytest

from mlptrain.race.power import seeds_to_resolve
from mlptrain.race.rule import judge

MARGIN, MOST = 0.5, 10


def scores(means, seeds, sd=0.7, seed=0):
    noise = sd * np.random.default_rng(seed).standard_normal((len(means), seeds))
    return np.array(means)[:, None] + noise


def race(table, **options):
    """Judge after each seed, as a race does; return the last judgment and row → its seeds."""
    seen, dropped = np.full(table.shape, np.nan), {}
    racing = list(range(len(table)))
    for seeds in range(2, table.shape[1] + 1):
        seen[racing, :seeds] = table[racing, :seeds]
        judgment = judge(seen[:, :seeds], MARGIN, table.shape[1], **options)
        dropped |= {drop.configuration: seeds for drop in judgment.drops}
        racing = judgment.racing
        if judgment.outcome:
            break
    return judgment, dropped


def test_the_clearly_best_configuration_is_known_after_few_seeds():
    judgment, dropped = race(scores([52, 45, 40, 58], MOST))
    assert (judgment.outcome, judgment.racing) == ("best", [3])
    assert set(dropped) == {0, 1, 2}
    assert max(dropped.values()) <= 4


def test_a_drop_says_than_which_configuration_and_by_how_much_at_least():
    table = scores([52, 45, 40, 58], 3)
    drop = next(d for d in judge(table, MARGIN, MOST).drops if d.configuration == 2)
    assert drop.better == 3
    assert drop.difference == pytest.approx(table[3].mean() - table[2].mean())
    assert 0 < drop.low < drop.difference


def test_two_configurations_with_two_seeds_have_nothing_to_pool():
    judgment = judge(np.array([[50.0, 51.0], [45.0, 45.5]]), MARGIN, MOST)
    assert (judgment.drops, judgment.outcome) == ([], None)


def test_configurations_within_the_margin_are_tied():
    judgment, dropped = race(scores([50.0, 50.02, 50.04, 49.98], MOST, sd=0.08))
    assert (judgment.outcome, sorted(judgment.racing), dropped) == ("tied", [0, 1, 2, 3], {})
    assert judgment.lead < MARGIN


def test_a_race_that_its_seeds_cannot_decide_ends_early_and_says_how_many_would():
    judgment, dropped = race(scores([50] * 4, MOST, seed=3))
    assert (judgment.outcome, dropped) == ("not decided", {})
    assert judgment.seeds_needed > MOST


def test_more_seeds_do_not_help_where_the_images_are_the_limit():
    table = scores([50, 50.4, 49.8, 50.1], 4, sd=0.05)
    assert judge(table, MARGIN, MOST).drops
    unsure = judge(table, MARGIN, MOST, image_variance=0.5**2)
    assert (unsure.drops, unsure.outcome, unsure.seeds_needed) == ([], "not decided", None)


def test_what_a_seed_does_to_all_configurations_is_taken_out():
    table = scores([50, 51, 53, 54], 4, sd=0.2)
    judgments = [judge(t, MARGIN, MOST) for t in (table, table + np.array([0, 9, -4, 2]))]
    assert judgments[0].drops
    assert [d.low for d in judgments[0].drops] == pytest.approx([d.low for d in judgments[1].drops])


def test_seeds_that_a_dropped_configuration_lacks_add_no_spread():
    table = scores([50, 50.1, 49.9, 10], 6, sd=0.3)
    table[3, 2:] = np.nan
    alone = judge(table[:3], MARGIN, MOST)
    assert judge(table, MARGIN, MOST).lead == pytest.approx(alone.lead, rel=0.3)


@pytest.mark.parametrize("configurations", [4, 12])
def test_looking_after_every_seed_drops_an_equal_configuration_in_at_most_one_race_of_twenty(
    configurations,
):
    random = np.random.default_rng(1)
    wrong, races = 0, 150
    for _ in range(races):
        spread = random.choice([0.3, 0.7, 3.0], configurations)[:, None]
        table = spread * random.standard_normal((configurations, MOST))
        wrong += any(judge(table[:, :n], MARGIN, MOST).drops for n in range(2, MOST + 1))
    assert wrong / races <= 0.05


@pytest.mark.parametrize(
    ("sd", "margin", "configurations", "seeds"),
    # Two groups, one comparison: Cohen's tables give 10 pairs for d = 1 and 34 for d = 0.5.
    [(1, 2**0.5, 2, 10), (1, 0.5 * 2**0.5, 2, 34), (0, 1, 2, 2), (100, 0.1, 2, None)],
)
def test_seeds_of_a_plain_sweep(sd, margin, configurations, seeds):
    assert seeds_to_resolve(sd, margin, configurations) == seeds
