"""House rules for the source that ruff cannot check: the length of files, the words in names."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("src", "benchmarks", "scripts", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
SOURCE = [file for file in FILES if file.startswith("src/")]
LONGEST = 350
NEVER_A_NAME = {
    "asked", "died", "found", "kept", "left", "own", "said", "told", "wanted", "whole",
}  # fmt: skip
"""A participle or an adverb alone does not say what a value is."""
NEVER_IN_A_NAME = {
    "flattered", "flattery", "outlive", "outlives", "outliving", "stranger", "strangers", "told",
}  # fmt: skip


def read(file):
    return (ROOT / file).read_text(encoding="utf-8")


def bound_names(tree):
    """The names of all functions, classes, arguments, variables and attributes that are set."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname


def is_dialect(name):
    plain = name.lower().strip("_")
    return plain in NEVER_A_NAME or not NEVER_IN_A_NAME.isdisjoint(plain.split("_"))


def dialect(source):
    return {name for name in bound_names(ast.parse(source)) if is_dialect(name)}


def test_files_are_short_enough_to_be_read_at_once():
    assert {file: n for file in SOURCE if (n := len(read(file).splitlines())) > LONGEST} == {}


def test_no_two_test_files_have_the_same_name():  # pytest refuses the second
    names = [Path(file).name for file in FILES if Path(file).name.startswith("test_")]
    assert sorted(set(names)) == sorted(names)


def test_names_say_what_a_value_is():
    assert {file: names for file in FILES if (names := dialect(read(file)))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "def told(): pass",
        "def f(left): pass",
        "def f(*, wanted=1): pass",
        "class Found: pass",
        "_kept = 1",
        "self.own = 1",
        "for whole in (): pass",
        "[0 for told_apart in ()]",
        "def open_strangers_folder(): pass",
        "import numpy as said",
    ],
)
def test_the_rule_sees_every_kind_of_name(source):
    assert len(dialect(source)) == 1


def test_the_rule_leaves_longer_names_and_uses_alone():
    assert dialect("seconds_left = f(left)\nasked_to_stop = told") == set()


def texts(tree):
    """The strings of a file that are no docstrings."""
    statements = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    docstrings = {id(node) for node in statements if isinstance(node, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield str(node.value)


def test_no_message_sends_to_a_page_that_a_wheel_does_not_have():
    every = {(file, text) for file in SOURCE for text in texts(ast.parse(read(file)))}
    assert {(file, text) for file, text in every if "docs/" in text} == set()
