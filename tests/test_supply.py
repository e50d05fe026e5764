"""Versions that are pinned or allowed, against the kept copy of the security advisories."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "check_advisories.py"
sys.path.insert(0, str(SCRIPT.parent))


def test_no_pinned_and_no_least_allowed_version_is_affected():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "no version is affected" in done.stdout


@pytest.mark.parametrize(
    ("package", "version", "affected"),
    [
        ("keras", "3.13.2", True),  # GHSA-hqp4-2352-xf5r, fixed in 3.14.0
        ("keras", "3.14.0", False),
        ("hydra-core", "1.3.2", True),
        ("hydra-core", "1.3.8", False),
        ("pillow", "9.0.0", True),
    ],
)
def test_an_affected_version_is_found(package, version, affected):
    from check_advisories import KEPT, affects
    from packaging.version import Version

    kept = json.loads(KEPT.read_text())
    rows = [row for row in (*kept["advisories"], *kept["also"]) if row["package"] == package]
    assert rows
    assert any(affects(row, Version(version)) for row in rows) == affected


def test_the_least_versions_that_security_asks_for_are_stated():
    from check_advisories import least
    from packaging.version import Version

    assert least()["hydra-core"] >= Version("1.3.8")
    assert least()["keras"] >= Version("3.13.2")
