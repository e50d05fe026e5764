"""Any input gives a config or a readable refusal, and nothing else.

`MLPTRAIN_EXAMPLES=2000 pytest tests/config/test_garbage.py` is the full form.
"""

import os
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlptrain.config.compose import compose
from mlptrain.config.validation import validate
from mlptrain.errors import ConfigError
from mlptrain.sweeps.cells import plan_sweep

EXAMPLES = int(os.environ.get("MLPTRAIN_EXAMPLES", "100"))
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


def assert_valid_or_refused(function, *arguments):
    """Each config is one that the schema accepts; a refusal has three phrases of one line."""
    try:
        result = function(*arguments)
    except ConfigError as error:
        for phrase in (error.expected, error.received, error.action):
            assert phrase.strip()
            assert "\n" not in phrase
    else:
        configs = (
            [cell.config for cell in result.cells] if plan_sweep is function else [result.config]
        )
        assert configs
        for config in configs:
            assert validate(config.model_dump()) == config


@settings(max_examples=EXAMPLES, deadline=20_000, derandomize=True)
@given(GARBAGE)
def test_garbage_gives_a_config_or_a_config_error(words):
    assert_valid_or_refused(compose, words)


@settings(max_examples=EXAMPLES // 4, deadline=20_000, derandomize=True)
@given(GARBAGE)
def test_garbage_after_like_gives_a_config_or_a_config_error(words):
    assert_valid_or_refused(partial(compose, base=BASE), words)


@settings(max_examples=EXAMPLES // 4, deadline=20_000, derandomize=True)
@given(GARBAGE)
def test_garbage_grids_give_cells_or_a_config_error(words):
    assert_valid_or_refused(plan_sweep, words)


@pytest.mark.parametrize("base", ["x", [1], {}, {"seed": 1}, {"name": "${oc.env:HOME}"}])
def test_an_invalid_base_is_refused(base):
    with pytest.raises(ConfigError):
        compose([], base=base)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["~optimizer.name", "~name"], "optimizer.name"),
        (["++optimizer=3", "optimizer.rho=1"], "optimizer=3"),
        (["hydra=1"], "hydra=1"),
        (["=1"], "'=1'"),
        (["model.hidden=" + "[" * 400 + "]" * 400], "model.hidden with 400 levels of brackets"),
        (["tags=" + "{a:" * 100 + "1" + "}" * 100], "tags with 100 levels of brackets"),
        (["name=" + "sort(" * 3_000 + "1" + ")" * 3_000], "name with 3000 levels of brackets"),
        (["data.path=" + "x" * 5_000], "data.path=xxx"),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("with_base", [False, True])
def test_garbage_that_was_once_accepted_is_refused(words, named, with_base):
    with pytest.raises(ConfigError) as refused:
        compose(words, base=BASE) if with_base else compose(words)
    assert named in refused.value.received


def test_a_name_may_be_very_long():
    assert compose(["name=" + "x" * 100_000]).config.name == "x" * 100_000


def test_like_keeps_the_base_and_applies_the_overrides():
    base = compose(["optimizer=adam", "seed=7", "model.dropout=0.1"]).config.model_dump()
    config = compose(["optimizer=sgd", "optimizer.momentum=0.5", "seed=8"], base=base).config
    assert (config.optimizer.name, config.optimizer.parameters["momentum"]) == ("sgd", 0.5)
    assert (config.seed, config.model.dropout) == (8, 0.1)
