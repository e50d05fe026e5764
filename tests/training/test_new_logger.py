"""A logger is one module and one YAML file; here it is the one of docs/howto/extend/logger.md."""

import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from started_run import StartedRun, row

from mlptrain.config.compose import compose
from mlptrain.errors import ConfigError
from mlptrain.loggers import LOGGERS

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "extend" / "logger.md"


@pytest.fixture(autouse=True)
def lines(add_choice, tmp_path):
    """Register the logger of the page."""
    code, yaml = re.findall(r"<!-- written to: \S+ -->\n```\w+\n(.+?)```", PAGE.read_text(), re.S)
    module = ModuleType("lines")
    exec(code, module.__dict__)
    (tmp_path / "lines.yaml").write_text(yaml)
    add_choice("logger", LOGGERS, module.Settings, tmp_path / "lines.yaml")
    return module.Lines


def written_to(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_gets_each_epoch_and_the_results(tmp_path):
    run = StartedRun(tmp_path / "run", "logger=lines", "logger.file=rows.jsonl")
    run.train(2)
    run.resume()
    run.train(3, after=[row(1), row(2)])
    run.finish()
    written = written_to(tmp_path / "run" / "rows.jsonl")
    assert written[:-1] == [row(1), row(2), row(3)]
    assert written[-1]["test_accuracy"] == 0.25


def test_what_it_missed_after_a_failure_is_sent_at_the_end(tmp_path, lines, monkeypatch):
    run = StartedRun(tmp_path / "run", "logger=lines")
    run.record.folder.write_history([row(epoch) for epoch in (1, 2, 3)])
    with monkeypatch.context() as broken:
        broken.setattr(lines, "send", lambda self, row: 1 / 0)
        run.train(3)
    run.finish()
    written = written_to(tmp_path / "run" / "epochs.jsonl")
    assert [line.get("epoch") for line in written] == [1, 2, 3, None]
    assert run.log().count("lines: ZeroDivisionError") == 1


def test_its_keys_are_checked():
    with pytest.raises(ConfigError, match=r"logger\.file"):
        compose(["logger=lines", "logger.file=3"])
