"""Which settings of several configs vary, and how a setting is written."""

import pytest
from crafted import facts

from mlptrain.config.settings import flat, format_setting, varying


def table(*lines):
    """The flat settings of one config for each line of overrides."""
    return [flat(facts(*line.split())["config"]) for line in lines]


def test_flat_settings_have_dotted_keys_and_the_choice_under_the_name_of_its_group():
    nested = {"optimizer": {"name": "adam", "beta_1": 0.9}, "name": "x", "model": {"hidden": [4]}}
    assert flat(nested) == {
        "optimizer": "adam",
        "optimizer.beta_1": 0.9,
        "name": "x",
        "model.hidden": [4],
    }


@pytest.mark.parametrize(
    ("lines", "keys"),
    [
        (["", "model.dropout=0.1", "model.dropout=0.2"], ["model.dropout"]),
        (["", ""], []),
        ([], []),
        # Adam and SGD have other parameters and other rates, which follow from the name.
        (["optimizer=adam", "optimizer=sgd"], ["optimizer"]),
        (["callbacks=default", "callbacks=none"], ["callbacks.early_stopping.enabled"]),
        (["optimizer=adam", "optimizer=sgd", "optimizer=sgd optimizer.learning_rate=0.5"],
         ["optimizer", "optimizer.learning_rate"]),
        (["optimizer=adam model.dropout=0.1", "optimizer=sgd model.dropout=0.2"],
         ["model.dropout", "optimizer"]),
    ],
)  # fmt: skip
def test_only_settings_that_differ_vary_and_none_that_follows_from_another(lines, keys):
    assert sorted(varying(table(*lines))) == keys


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 7}, {"name": "x"}, {"tags": ["x"]}, {"output_root": "x"},
        {"artifacts": "minimal"}, {"instruments": "off"}, {"logger": "none"}, {"logger.uri": "sqlite:///x.db"},
        {"runtime.threads": 1}, {"runtime.progress": "none"}, {"data.path": "elsewhere"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_settings_that_cannot_change_a_result_do_not_vary(change):
    (settings,) = table("logger=mlflow")
    assert set(change) <= set(settings)
    assert settings != settings | change
    assert varying([settings, settings | change]) == []


def test_true_and_one_are_two_values_and_null_is_like_a_missing_key():
    assert varying([{"a": True}, {"a": 1}]) == ["a"]
    assert varying([{"a": None}, {}]) == []


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("optimizer", "adam", "adam"),
        ("model.dropout", 0.3, "dropout 0.3"),
        ("model.hidden", [512, 256], "hidden [512, 256]"),
        ("callbacks.early_stopping.enabled", True, "early_stopping True"),
        ("callbacks.early_stopping.patience", 5, "early_stopping patience 5"),
        ("callbacks.reduce_lr.patience", 5, "reduce_lr patience 5"),
        ("optimizer.momentum", None, "momentum None"),
    ],
)
def test_a_setting_is_written_in_a_few_words(key, value, text):
    assert format_setting(key, value) == text
