"""Benchmarks and scripts: every name that they import exists."""

import ast
from importlib import import_module
from pathlib import Path

import build_reference
import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("scripts/*.py")])


def test_there_are_benchmarks_and_scripts():
    assert {file.parent.name for file in FILES} == {"benchmarks", "scripts"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_import_works_also_those_inside_functions(file):
    import_module(file.stem)  # pyproject.toml has both folders on pytest's path
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = import_module(node.module)
            for name in node.names:
                if not hasattr(module, name.name):
                    import_module(f"{node.module}.{name.name}")
        elif isinstance(node, ast.Import):
            for name in node.names:
                import_module(name.name)


def test_help_of_the_reference_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        build_reference.main(["--help"])
    assert end.value.code == 0
    assert "FOLDER" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
