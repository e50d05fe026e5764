"""The command line is parsed once, and everything else works on the result."""

from collections import Counter

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import compose_one
from mlptrain.errors import ConfigError
from mlptrain.sweeps.cells import plan_sweep


@pytest.fixture
def parsed(monkeypatch):
    """Override → how often it was parsed."""
    counts = Counter()
    parse = OverridesParser.parse_override

    def counted(self, text, *rest):
        counts[text] += 1
        return parse(self, text, *rest)

    monkeypatch.setattr(OverridesParser, "parse_override", counted)
    return counts


def texts(overrides):
    return [override.input_line for override in overrides]


def test_an_override_of_one_run_is_parsed_once(parsed):
    line = CommandLine.parse(["model.dropout=0.25", "train.epochs=3", "init.stddev=1", "seed=7"])
    with pytest.raises(ConfigError, match="initializer"):  # the error too names what was parsed
        compose_one(line)
    assert parsed == dict.fromkeys(texts(line.overrides), 1)


def test_each_value_of_a_grid_is_parsed_once(parsed):
    line = CommandLine.parse(["-m", "model.dropout=0.25", "seed=1,2,3", "train.epochs=3,4"])
    assert len(plan_sweep(line.overrides).cells) == 6
    single = [*(f"seed={n}" for n in (1, 2, 3)), "train.epochs=3", "train.epochs=4"]
    assert parsed == dict.fromkeys([*texts(line.overrides), *single], 1)


def test_options_study_and_overrides_are_separated():
    typed = [
        "-m", "study=dropout", "hydra.launcher.n_jobs=2", "+optimizer=sgd",
        "sweep.retry_failed=true", "init=zeros", "hydra/launcher=joblib",
    ]  # fmt: skip
    line = CommandLine.parse(typed, ["mlptrain", *typed])
    assert line.options == ("--multirun",)
    assert (line.study, line.retry_failed, line.is_sweep) == ("dropout", True, True)
    assert texts(line.hydra) == ["hydra.launcher.n_jobs=2", "hydra/launcher=joblib"]
    assert texts(line.overrides) == ["optimizer=sgd", "initializer=zeros"]
    assert line.text == ("mlptrain", *(word for word in typed if "retry" not in word))


def test_a_study_is_a_sweep_with_or_without_the_option():
    assert CommandLine.parse(["study=dropout"]).options == ("--multirun",)


@pytest.mark.parametrize("word", ["study=dropout", "-m", "--cfg=job", "sweep.retry_failed=false"])
def test_one_run_cannot_be_a_sweep(word):
    with pytest.raises(ConfigError):
        CommandLine.parse([word]).require_one_run()
