"""`sweep.json`: what the cell folders of a sweep cannot know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlptrain.errors import RunFolderError
from mlptrain.runs.folder import RunFolder
from mlptrain.sweeps.cells import CellName, Plan

SWEEP = "sweep.json"
SCHEMA_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9_=,+-][A-Za-z0-9_.=,+-]*-[0-9a-f]{8}")


@dataclass(frozen=True)
class SweepFile:
    """A sweep as its folder remembers it.

    Attributes:
        root: the sweep's folder.
        study: the study's name, if it is one.
        threads: of each worker, chosen once, so that a cell's figures do not depend on what ran
            beside it.
        commands: all command lines that were given, oldest first.
        cells: what they ask for together.
    """

    root: Path
    study: str | None
    threads: int
    commands: list[list[str]]
    cells: list[CellName]


def remember(root: Path, plan: Plan, command: Sequence[str], threads: int) -> SweepFile:
    """Add a command's cells to the sweep's file; make folder and file if they are not there.

    Raises:
        RunFolderError: the folder holds another study's cells, or cannot be written to.
    """
    before = load(root) if (root / SWEEP).is_file() else None
    if before is not None and before.study != plan.study:
        raise RunFolderError(
            f"{root} to hold cells of {plan.study or 'a grid without a study'}",
            f"cells of {before.study or 'a grid without a study'}",
            "give this sweep another name with name=NAME",
        )
    commands = [] if before is None else before.commands
    if list(command) not in commands:
        commands = [*commands, list(command)]
    cells = {} if before is None else {cell.config_hash: cell for cell in before.cells}
    for cell in plan.cells:
        cells.setdefault(
            cell.config_hash, CellName(cell.config_hash, cell.slug, tuple(cell.overrides))
        )
    if before is not None:
        threads = before.threads
    sweep = SweepFile(root, plan.study, threads, commands, list(cells.values()))
    _write(sweep, plan)
    return sweep


def load(root: Path) -> SweepFile:
    """The file of a sweep's folder.

    Raises:
        RunFolderError: there is none, or it is not what this version writes.
    """
    content = RunFolder(root).read_json(SWEEP)
    try:
        cells = [_cell(cell) for cell in content["cells"]]
        commands = [list(map(str, command)) for command in content["commands"]]
        return SweepFile(root, content["study"], int(content["threads"]), commands, cells)
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"{SWEEP} of schema version {SCHEMA_VERSION}",
            f"{root / SWEEP} without {error}",
            "give the sweep another name with name=NAME; its finished cells will be found",
        ) from None


def threads_of(root: Path) -> int | None:
    """The threads that a sweep has chosen for its workers; None before its first command."""
    return load(root).threads if (root / SWEEP).is_file() else None


def _cell(content: dict[str, Any]) -> CellName:
    """A cell of a file that may be a stranger's: its name must not lead out of the folder."""
    cell = CellName(
        str(content["hash"]), str(content["slug"]), tuple(map(str, content["overrides"]))
    )
    if not _NAME.fullmatch(cell.folder_name):
        raise ValueError(f"a cell that can be a folder: {cell.folder_name!r}")
    return cell


def _write(sweep: SweepFile, plan: Plan) -> None:
    stages: list[dict[str, Any]] = []
    for stage, hashes in plan.stages:
        told = asdict(stage)
        del told["grids"]
        stages.append({**told, "cells": hashes})
    try:
        sweep.root.mkdir(parents=True, exist_ok=True)
        RunFolder(sweep.root).write_json(
            SWEEP,
            {
                "schema_version": SCHEMA_VERSION,
                "name": sweep.root.name,
                "study": sweep.study,
                "threads": sweep.threads,
                "stages": stages,
                "commands": sweep.commands,
                "cells": [
                    {
                        "hash": cell.config_hash,
                        "slug": cell.slug,
                        "overrides": list(cell.overrides),
                        "folder": cell.folder_name,
                    }
                    for cell in sweep.cells
                ],
            },
        )
    except OSError as error:
        raise RunFolderError(
            "a sweep folder that can be written to",
            f"{sweep.root}: {error.strerror or error}",
            "choose another place with output_root=PATH",
        ) from None
