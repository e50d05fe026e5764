"""Whatever is typed gives a config or a readable refusal, and nothing else.

`MLPTRAIN_EXAMPLES=2000 pytest tests/config/test_garbage.py` is the full form.
"""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlptrain.config.compose import Composed, compose, compose_like
from mlptrain.errors import ConfigError
from mlptrain.sweeps.cells import plan_sweep

EXAMPLES = int(os.environ.get("MLPTRAIN_EXAMPLES", "250"))
KEYS = [
    "seed", "name", "tags", "output_root", "model", "model.hidden", "model.dropout", "optimizer",
    "optimizer.name", "init", "optimizer.learning_rate", "optimizer.beta_1", "activation",
    "schedule", "schedule.final", "data", "data.path", "data.limit", "data.validation_fraction",
    "callbacks", "callbacks.early_stopping", "train", "train.epochs", "train.batch_size",
    "runtime.threads", "logger", "experiment", "debug", "study", "hydra", "hydra/launcher",
    "hydra.sweep.dir", "model@x", "defaults", "_target_", "a.b", "model.hidden.0", ".", "=",
]  # fmt: skip
VALUES = [
    "0", "1", "-1", "1.5", "nan", "-inf", "1e999", "99999999999999999999", "true", "null", "???",
    "[]", "[1]", "[[1]]", "{}", "{a:1}", "{name:sgd}", "relu", "sgd", "adam", "cifar10_mini",
    "smoke", "he_normal", "none", "text", "'x'", '"x"', "'x", '"x', "${seed}", "${name}", "${x}",
    "${oc.env:NONE}", "${oc.decode:'['}", "${hydra:}", "${", "1,2", "a,b", "range(3)",
    "range(0,1,0)", "choice()", "choice(1,2)", "interval(0,1)", "glob(*)", "shuffle(1,2)",
    "sort(b,a)", "int(x)", "int(3)", "~", "\\", "[[[[", "]]", "}}", "(",
]  # fmt: skip
SIGNS = ["", "", "", "+", "++", "~"]
keys, values = st.sampled_from(KEYS), st.sampled_from(VALUES)
WORDS = st.one_of(
    st.builds("{}{}={}".format, st.sampled_from(SIGNS), keys, values),
    st.builds("{}={}".format, keys, st.text(max_size=8)),
    st.builds("~{}".format, keys),
    st.text(max_size=12),
)
GARBAGE = st.lists(WORDS, min_size=1, max_size=3)
BASE = compose([]).config.model_dump()


def result_or_refusal(function, *arguments):
    """What the function returns, or its ConfigError; any other exception fails the test."""
    try:
        return function(*arguments)
    except ConfigError as error:
        return error


@settings(max_examples=EXAMPLES, deadline=20_000, derandomize=True)
@given(GARBAGE)
def test_garbage_gives_a_config_or_a_config_error(words):
    outcome = result_or_refusal(compose, words)
    assert isinstance(outcome, Composed) or (outcome.expected and outcome.action)


@settings(max_examples=EXAMPLES // 4, deadline=20_000, derandomize=True)
@given(GARBAGE)
def test_garbage_after_like_gives_a_config_or_a_config_error(words):
    assert isinstance(result_or_refusal(compose_like, BASE, words), Composed | ConfigError)


@settings(max_examples=EXAMPLES // 4, deadline=20_000, derandomize=True)
@given(GARBAGE)
def test_garbage_grids_give_cells_or_a_config_error(words):
    assert result_or_refusal(plan_sweep, words)


@pytest.mark.parametrize("base", [None, "x", [1], {}, {"seed": 1}, {"name": "${oc.env:HOME}"}])
def test_a_strange_base_is_refused_and_not_acted_upon(base):
    with pytest.raises(ConfigError):
        compose_like(base, [])


@pytest.mark.parametrize(
    "word",
    ["model.hidden=" + "[" * 400 + "]" * 400, "name=" + "x" * 100_000, "data.path=" + "x" * 5_000],
)
def test_absurdly_long_words_end_too(word):
    result_or_refusal(compose, [word])


@pytest.mark.parametrize(
    "words",
    [["~optimizer.name", "~name"], ["++optimizer=3", "optimizer.rho=1"], ["hydra=1"], ["=1"]],
)
def test_garbage_that_once_went_through(words):
    result_or_refusal(compose, words)
    result_or_refusal(compose_like, BASE, words)


def test_like_keeps_the_base_and_changes_what_is_asked():
    base = compose(["optimizer=adam", "seed=7", "model.dropout=0.1"]).config.model_dump()
    config = compose_like(base, ["optimizer=sgd", "optimizer.momentum=0.5", "seed=8"]).config
    assert (config.optimizer.name, config.optimizer.parameters["momentum"]) == ("sgd", 0.5)
    assert (config.seed, config.model.dropout) == (8, 0.1)
