"""pyproject.toml allows no version with a known advisory, and every pinned version."""

import tomllib
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
