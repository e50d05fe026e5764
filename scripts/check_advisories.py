"""Check the pinned and the least allowed versions against known security advisories.

    python scripts/check_advisories.py                     # from the kept copy, no network
    python scripts/check_advisories.py --update DATABASE   # rebuild the copy

DATABASE is a checkout of PyPA's advisory database (github.com/pypa/advisory-database). What GitHub
knew later stands in the copy under `also` and is kept. With a network, `pip-audit -r
constraints.txt` asks the live databases. Exit code 1 when a version is affected.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
KEPT = Path(__file__).with_name("advisories.json")


def pinned() -> dict[str, Version]:
    """Package → version of `constraints.txt`."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonicalize_name(name): Version(version.split(";")[0]) for name, version in pairs}


def least() -> dict[str, Version]:
    """Package → least version that `pyproject.toml` allows at run time."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [*project["dependencies"]]
    for extra, requirements in project["optional-dependencies"].items():
        listed += requirements if extra != "test" else []
    found = {}
    for requirement in map(Requirement, listed):
        lows = [s.version for s in requirement.specifier if s.operator in (">=", "==")]
        if lows:
            found[canonicalize_name(requirement.name)] = Version(lows[0])
    return found


def affects(advisory: dict[str, Any], version: Version) -> bool:
    """Whether a version lies in one of the advisory's ranges, each (introduced, fixed or None)."""
    return any(
        Version(introduced) <= version and (fixed is None or version < Version(fixed))
        for introduced, fixed in advisory["ranges"]
    )


def read_database(folder: Path, packages: Iterable[str]) -> tuple[list[dict[str, Any]], str]:
    """Advisories of these packages that are not withdrawn, and the day of the newest record."""
    found, newest = [], ""
    for package in sorted(packages):
        for path in sorted((folder / "vulns" / package).glob("*.yaml")):
            record = yaml.safe_load(path.read_text(encoding="utf-8"))
            newest = max(newest, str(record["modified"])[:10])
            ranges = [
                [low, high]
                for affected in record.get("affected", ())
                for span in affected.get("ranges", ())
                if span["type"] == "ECOSYSTEM"
                for low, high in _spans(span["events"])
            ]
            if ranges and "withdrawn" not in record:
                found.append({"package": package, "id": record["id"], "ranges": ranges})
    return found, newest


def _spans(events: list[dict[str, str]]) -> list[tuple[str, str | None]]:
    spans: list[tuple[str, str | None]] = []
    for event in events:
        if "introduced" in event:
            spans.append((event["introduced"], None))
        elif "fixed" in event and spans:
            spans[-1] = (spans[-1][0], event["fixed"])
    return spans


def main() -> int:
    """Check, or rebuild the copy and then check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--update", type=Path, metavar="DATABASE")
    folder = parser.parse_args().update
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    versions = {"pinned": pinned(), "least allowed": least()}
    if folder is not None:
        known, newest = read_database(folder, {*versions["pinned"], *versions["least allowed"]})
        kept |= {"newest": newest, "advisories": known}
        rows = ",\n".join(f"  {json.dumps(row)}" for row in known)
        also = ",\n".join(f"  {json.dumps(row)}" for row in kept["also"])
        KEPT.write_text(
            f'{{"newest": "{newest}",\n"advisories": [\n{rows}\n],\n"also": [\n{also}\n]}}\n',
            encoding="utf-8",
        )
    wrong = [
        f"{advisory['package']} {version} ({which}) is affected by {advisory['id']}"
        for which, known_versions in versions.items()
        for advisory in (*kept["advisories"], *kept["also"])
        if (version := known_versions.get(advisory["package"])) and affects(advisory, version)
    ]
    print(
        "\n".join(wrong) or "no version is affected",
        f"(PyPA's records until {kept['newest']}, and {len(kept['also'])} later ones)",
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
