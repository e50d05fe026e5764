import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from mlptrain import cli

SOURCE = Path(cli.__file__).parents[1]
BLOCK = re.compile(r"\A\w[\w ]+\n  expected: .+\n  received: .+\n  to do:    .+\n\Z")


@dataclass(frozen=True)
class Outcome:
    """How a command line ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def hint(self) -> str:
        return self.stderr.partition("  to do:    ")[2].rstrip("\n")

    @property
    def received(self) -> str:
        return self.stderr.partition("  received: ")[2].partition("\n")[0]

    @property
    def expected(self) -> str:
        return self.stderr.partition("  expected: ")[2].partition("\n")[0]


@pytest.fixture(scope="session")
def once(tmp_path_factory, request):
    """(name, make) → what make(folder) returns, as JSON; the first test process makes it.

    For results that take long and are only read: with pytest-xdist, every process would make a
    fixture of a module.
    """
    root = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # pytest-xdist: all its workers share this folder
        root = root.parent
    shared = root / "made_once"
    shared.mkdir(exist_ok=True)

    def made(name, make):
        folder, result = shared / name, shared / f"{name}.json"
        with FileLock(shared / f"{name}.lock"):
            if not result.exists():
                folder.mkdir()
                result.write_text(json.dumps(make(folder)))
        return json.loads(result.read_text())

    return made


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory that is not the repository."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def mlptrain(elsewhere, capfd):
    """The command in this process: fast; returns exit code, stdout and stderr."""

    def call(*words: str) -> Outcome:
        capfd.readouterr()
        code = cli.run_command_line(words)
        return Outcome(code, *capfd.readouterr())

    return call


@pytest.fixture
def real_mlptrain(elsewhere):
    """The command as a process of its own, as a user starts it."""

    def call(*words: str, python: tuple[str, ...] = ("-m", "mlptrain"), **environment: str):
        path = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, *python, *words],
            cwd=elsewhere,
            env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def assert_refused(elsewhere):
    """Exit code 2, one block that helps, nothing on stdout, nothing written."""

    def check(outcome: Outcome) -> None:
        assert outcome.exit_code == 2, outcome
        assert BLOCK.match(outcome.stderr), outcome.stderr
        assert "Traceback" not in outcome.stderr
        assert outcome.stdout == ""
        assert list(elsewhere.iterdir()) == []

    return check


@pytest.fixture
def add_choice(tmp_path, monkeypatch):
    """Put an entry into a registry, and its YAML file into a copy of `conf/`."""
    import build_reference

    from mlptrain.config import location

    def add(group, registry, entry, yaml):
        shutil.copytree(location.CONF, tmp_path / "conf")
        shutil.copy(yaml, tmp_path / "conf" / group)
        for module in (location, build_reference):
            monkeypatch.setattr(module, "CONF", tmp_path / "conf")
        monkeypatch.setitem(registry, yaml.stem, entry)

    return add
