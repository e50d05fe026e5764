"""pyproject.toml allows no version with a known advisory, and every pinned version."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [Requirement(text) for text in PROJECT["dependencies"]]


@pytest.mark.parametrize(
    ("package", "affected"),
    [
        ("keras", "3.13.2"),  # GHSA-hqp4-2352-xf5r, fixed in 3.14.0
        ("hydra-core", "1.3.2"),
        ("pillow", "9.0.0"),
    ],
)
def test_an_affected_version_is_not_allowed(package, affected):
    (requirement,) = [known for known in REQUIREMENTS if known.name == package]
    assert Version(affected) not in requirement.specifier


def test_every_pinned_version_is_an_allowed_one():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if "==" in line]
    pins = {canonicalize_name(name): version for name, version in pinned}
    for requirement in REQUIREMENTS:
        pinned_version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pinned_version), requirement


def test_only_pandas_optuna_ray_and_loggers_need_an_extra():
    """The base dependencies have all else that `src/` imports, the page of a report included."""
    imported = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    base = {canonicalize_name(requirement.name) for requirement in REQUIREMENTS}
    base.add("markupsafe")  # a part of jinja2
    packages = packages_distributions()
    names = imported - set(sys.stdlib_module_names) - {"mlptrain"}
    extra = {n for n in names if not base & {canonicalize_name(p) for p in packages.get(n, ())}}
    assert extra == {"pandas", "optuna", "mlflow", "wandb", "ray"}
