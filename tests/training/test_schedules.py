from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlptrain.errors import ConfigError
from mlptrain.schedules import SCHEDULES, learning_rates


def schedule(name, **parameters):
    return SimpleNamespace(name=name, **parameters)


def rates(node, total_steps, base=1.0):
    return learning_rates(node, 0, total_steps, total_steps, base)


@st.composite
def schedules(draw):
    """Any schedule with parameters in the config's ranges; shares down to 0 but not start."""
    name = draw(st.sampled_from(sorted(SCHEDULES)))
    warmup = draw(st.sampled_from([0.0, 0.05, 0.5, 0.99]) | st.floats(0, 1, exclude_max=True))
    final = draw(st.sampled_from([0.0, 0.01, 1.0]) | st.floats(0.0, 1.0))
    match name:
        case "constant" | "inverse_sqrt":
            return schedule(name, warmup=warmup)
        case "cosine" | "linear":
            return schedule(name, warmup=warmup, final=final)
        case "exponential":
            return schedule(name, warmup=warmup, final=max(final, 1e-4))
        case "step":
            return schedule(name, warmup=warmup, factor=0.5, drops=draw(st.integers(1, 8)))
        case "one_cycle":
            start = draw(st.floats(1e-3, 1.0))
            peak = draw(st.floats(0.01, 0.99))
            return schedule(name, peak=peak, start=start, final=final)


@given(schedules(), st.integers(1, 500), st.floats(1e-5, 10.0))
def test_every_rate_is_above_zero_and_at_most_the_base_rate(node, total_steps, base):
    values = rates(node, total_steps, base)
    assert values.dtype == np.float32
    assert values.shape == (total_steps,)
    assert (values > 0).all()
    assert (values <= np.float32(base)).all()


@given(schedules(), st.integers(1, 300), st.data())
def test_rates_do_not_depend_on_how_steps_are_grouped(node, total_steps, data):
    cuts = sorted({0, total_steps, *data.draw(st.lists(st.integers(0, total_steps), max_size=8))})
    pieces = [
        learning_rates(node, first, last - first, total_steps, 1e-3)
        for first, last in pairwise(cuts)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), rates(node, total_steps, 1e-3))


@pytest.mark.parametrize(
    "node",
    [
        schedule("cosine", warmup=0.0, final=0.1),
        schedule("linear", warmup=0.0, final=0.1),
        schedule("exponential", warmup=0.0, final=0.1),
        schedule("one_cycle", peak=0.3, start=0.5, final=0.1),
    ],
    ids=lambda node: node.name,
)
def test_a_run_ends_at_the_final_share(node):
    beyond = learning_rates(node, 1000, 500, 1000, 1.0)
    np.testing.assert_allclose(beyond, 0.1, rtol=1e-6)
    assert rates(node, 1000)[-1] == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("name", ["constant", "cosine", "linear", "exponential", "step"])
def test_warmup_is_a_straight_line_to_the_base_rate(name):
    node = schedule(name, warmup=0.1, final=0.5, factor=0.5, drops=3)
    values = rates(node, 100)
    np.testing.assert_allclose(values[:10], np.arange(1, 11) / 10, rtol=1e-6)
    assert values[10] == 1.0


@given(schedules(), st.integers(2, 200))
def test_a_schedule_rises_to_its_peak_and_never_again(node, total_steps):
    change = np.diff(rates(node, total_steps))
    rises, falls = np.flatnonzero(change > 0), np.flatnonzero(change < 0)
    assert not rises.size or not falls.size or rises.max() < falls.min()


def test_step_halves_at_equally_spaced_steps():
    values = rates(schedule("step", warmup=0.0, factor=0.5, drops=2), 30)
    np.testing.assert_array_equal(values, np.repeat([1.0, 0.5, 0.25], 10).astype(np.float32))


def test_exponential_has_the_same_ratio_everywhere():
    values = rates(schedule("exponential", warmup=0.0, final=0.01), 200).astype(float)
    np.testing.assert_allclose(values[1:] / values[:-1], 0.01 ** (1 / 200), rtol=1e-5)


def test_one_cycle_starts_low_and_peaks_where_it_says():
    values = rates(schedule("one_cycle", peak=0.3, start=0.04, final=0.0), 1000)
    assert values[0] == pytest.approx(0.04)
    assert values.argmax() == 300
    assert values[300] == 1.0


def test_inverse_sqrt_peaks_at_the_end_of_the_warmup():
    values = rates(schedule("inverse_sqrt", warmup=0.1), 1000)
    assert values.argmax() == 99
    assert values[399] == pytest.approx(0.5)


def test_an_unknown_schedule_names_the_known_ones():
    with pytest.raises(ConfigError, match="constant, cosine, exponential"):
        rates(schedule("zigzag"), 10)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_of_the_config_is_implemented(name):
    node = schedule(name, warmup=0.1, final=0.1, factor=0.5, drops=2, peak=0.3, start=0.1)
    assert rates(node, 10).shape == (10,)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.integers(1, 2000), st.sampled_from([0.0, 0.05, 0.3]), st.floats(0.0, 1.0))
def test_cosine_equals_keras_cosine_decay(total_steps, warmup, final):
    import keras

    warmup_steps = round(warmup * total_steps)
    theirs = keras.optimizers.schedules.CosineDecay(
        1e-3, max(total_steps - warmup_steps, 1), alpha=final
    )
    ours = rates(schedule("cosine", warmup=warmup, final=final), total_steps, 1e-3)
    after = np.arange(total_steps - warmup_steps, dtype=np.float32)
    # Keras computes in single precision, so it is its rounding that is allowed for.
    np.testing.assert_allclose(ours[warmup_steps:], np.asarray(theirs(after)), atol=1e-9, rtol=1e-5)
