"""Which rate follows from the losses of a range test."""

import numpy as np
import pytest

from mlptrain.training import rate_rule

RATES = np.geomspace(1e-7, 10, 320).astype(np.float32)


def suggest_rate(rates, losses, diverged, guessing=2.3):
    return rate_rule.suggest_rate(rates, losses, diverged=diverged, guessing=guessing)


def losses(middle, noise=0.0, seed=0, width=0.4, diverges=None):
    """From 3 down to 1 around a rate, then up where it diverges."""
    decades = np.log10(RATES / middle)
    fall = 3 - 2 / (1 + np.exp(-decades / width))
    if diverges is not None:
        fall += np.maximum(np.log10(RATES / diverges), 0) * 20
    return fall + noise * np.random.default_rng(seed).normal(size=len(RATES))


@pytest.mark.parametrize("middle", [1e-5, 1e-3, 0.1])
def test_the_middle_of_the_descent_is_suggested(middle):
    suggestion = suggest_rate(RATES, losses(middle, diverges=1000 * middle), diverged=True)
    assert suggestion.rate == pytest.approx(middle, rel=0.3)
    assert f"diverges at {RATES[-1]:.2g}" in suggestion.reason


@pytest.mark.parametrize("middle", [1e-5, 1e-3, 0.1])
def test_where_the_loss_starts_far_above_that_of_guessing_the_end_of_the_descent_is_suggested(
    middle,
):
    course = losses(middle, diverges=1000 * middle) + 2  # from 5 to 3
    suggestion = suggest_rate(RATES, course, diverged=True, guessing=2.9)
    assert suggestion.rate == pytest.approx(middle * 10 ** (0.4 * np.log(4)), rel=0.3)
    assert "2.9, the loss of guessing" in suggestion.reason
    lower = suggest_rate(RATES, course, diverged=True, guessing=4.0)
    assert lower.rate == pytest.approx(middle, rel=0.3)


def test_noise_of_batches_hardly_moves_it():
    rates = [
        suggest_rate(RATES, losses(1e-3, noise=0.2, seed=seed), diverged=False).rate
        for seed in range(20)
    ]
    assert max(rates) / min(rates) < 2


def test_it_has_two_digits_to_type():
    rate = suggest_rate(RATES, losses(1.2345e-3), diverged=False).rate
    assert rate == float(f"{rate:.1e}")


@pytest.mark.parametrize("level", [2.3, 0.0])
def test_a_loss_that_does_not_fall_gives_no_rate(level):
    noise = 0.1 * np.random.default_rng(1).normal(size=len(RATES))
    for flat in (np.full(len(RATES), level), level + 1 + noise):
        suggestion = suggest_rate(RATES, flat, diverged=False)
        assert suggestion.rate is None
        assert "does not fall" in suggestion.reason


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_loss_that_explodes_at_the_end_changes_little(bad):
    course = losses(1e-3)[:250]
    course[-1] = bad
    rate = suggest_rate(RATES[:250], course, diverged=True).rate
    assert rate == pytest.approx(1e-3, rel=0.3)


def test_a_loss_that_is_never_finite_gives_no_rate():
    assert suggest_rate(RATES[:1], np.array([np.nan]), diverged=True).rate is None
