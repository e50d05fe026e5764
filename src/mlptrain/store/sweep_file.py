"""`sweep.json`: what the cell folders of a sweep cannot know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from mlptrain.errors import RunFolderError
from mlptrain.store.names import SWEEP
from mlptrain.store.run_folder import RunFolder

SCHEMA_VERSION = 1
_LOCK = ".sweep.lock"
_NAME = re.compile(r"[A-Za-z0-9_=,+-][A-Za-z0-9_.=,+-]*-[0-9a-f]{8}")


@dataclass(frozen=True)
class CellName:
    """What a sweep's file remembers of a cell.

    Attributes:
        config_hash: its identity.
        slug: the swept values, readable, safe as a folder's name.
        overrides: the words that compose it.
    """

    config_hash: str
    slug: str
    overrides: tuple[str, ...]

    @property
    def folder_name(self) -> str:
        """`<slug>-<hash8>`."""
        return f"{self.slug}-{self.config_hash[:8]}"


@dataclass(frozen=True)
class SweepFile:
    """A sweep as its folder remembers it.

    Attributes:
        root: the sweep's folder.
        study: the study's name, if it is one.
        threads: of each worker, chosen once, so that a cell's figures do not depend on what ran
            beside it.
        commands: command line → the hashes of the cells it asks for; oldest command first.
        cells: hash → cell, of all commands that were ever given.
        stages: the study's, as they are written.
    """

    root: Path
    study: str | None
    threads: int
    commands: dict[tuple[str, ...], list[str]]
    cells: dict[str, CellName]
    stages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def requested(self) -> list[CellName]:
        """The cells that any of the commands asks for, in the order in which they first did."""
        requested = {digest for hashes in self.commands.values() for digest in hashes}
        return [cell for digest, cell in self.cells.items() if digest in requested]


def remember(
    root: Path,
    study: str | None,
    stages: list[dict[str, Any]],
    cells: Sequence[CellName],
    command: Sequence[str],
    threads: int,
) -> SweepFile:
    """Record the cells that a command asks for; create folder and file if they are missing.

    A repeated command asks for its current cells only: if a default has changed since, the former
    cells are no longer requested. Nothing is deleted.

    Raises:
        RunFolderError: the folder holds another study's cells, or cannot be written to.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / _LOCK):
            return _remember(root, study, stages, cells, tuple(command), threads)
    except OSError as error:
        raise RunFolderError(
            "a sweep folder that can be written to",
            f"{root}: {error.strerror or error}",
            "choose another place with output_root=PATH",
        ) from None


def _remember(
    root: Path,
    study: str | None,
    stages: list[dict[str, Any]],
    cells: Sequence[CellName],
    command: tuple[str, ...],
    threads: int,
) -> SweepFile:
    before = known_sweep(root) or SweepFile(root, study, threads, {}, {})
    if before.study != study:
        raise RunFolderError(
            f"{root} to hold cells of {study or 'a grid without a study'}",
            f"cells of {before.study or 'a grid without a study'}",
            "give this sweep another name with name=NAME",
        )
    named = {
        cell.config_hash: CellName(cell.config_hash, cell.slug, tuple(cell.overrides))
        for cell in cells
    }
    sweep = SweepFile(
        root,
        study,
        before.threads,
        before.commands | {command: list(named)},
        before.cells | {d: cell for d, cell in named.items() if d not in before.cells},
        stages,
    )
    _write(sweep)
    return sweep


def forget(root: Path, cells: Sequence[CellName]) -> None:
    """Remove cells from the file; the caller removes their folders."""
    with FileLock(root / _LOCK):
        known = load(root)
        gone = {cell.config_hash for cell in cells}
        rest = {digest: cell for digest, cell in known.cells.items() if digest not in gone}
        _write(SweepFile(root, known.study, known.threads, known.commands, rest, known.stages))


def known_sweep(root: Path) -> SweepFile | None:
    """The file of a sweep's folder; None before its first command.

    Raises:
        RunFolderError: it is not what this version writes.
    """
    return load(root) if _is_there(root) else None


def _is_there(root: Path) -> bool:
    try:
        return (root / SWEEP).is_file()
    except OSError:  # too long a name, a folder that may not be looked into
        return False


def load(root: Path) -> SweepFile:
    """The file of a sweep's folder.

    Raises:
        RunFolderError: there is none, or it is not what this version writes.
    """
    if not _is_there(root):
        raise RunFolderError(
            f"a sweep's folder, which holds {SWEEP}",
            f"{root}",
            "single runs and a search's trials are listed by `mlptrain runs`",
        )
    content = RunFolder(root).read_json(SWEEP)
    try:
        cells = [_cell(cell) for cell in content["cells"]]
        commands = {
            tuple(map(str, command)): [
                cell.config_hash
                for cell, entry in zip(cells, content["cells"], strict=True)
                if number in entry["commands"]
            ]
            for number, command in enumerate(content["commands"])
        }
        return SweepFile(
            root,
            content["study"],
            int(content["threads"]),
            commands,
            {cell.config_hash: cell for cell in cells},
            list(content["stages"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"{SWEEP} of schema version {SCHEMA_VERSION}",
            f"{root / SWEEP} without {error}",
            "give the sweep another name with name=NAME; its finished cells are reused",
        ) from None


def _cell(content: dict[str, Any]) -> CellName:
    """A cell of a file that may be a stranger's: its name must not lead out of the folder."""
    cell = CellName(
        str(content["hash"]), str(content["slug"]), tuple(map(str, content["overrides"]))
    )
    if not _NAME.fullmatch(cell.folder_name):
        raise ValueError(f"a cell that can be a folder: {cell.folder_name!r}")
    return cell


def _write(sweep: SweepFile) -> None:
    asking = [set(hashes) for hashes in sweep.commands.values()]
    RunFolder(sweep.root).write_json(
        SWEEP,
        {
            "schema_version": SCHEMA_VERSION,
            "name": sweep.root.name,
            "study": sweep.study,
            "threads": sweep.threads,
            "stages": sweep.stages,
            "commands": [list(command) for command in sweep.commands],
            "cells": [
                {
                    "hash": digest,
                    "slug": cell.slug,
                    "overrides": list(cell.overrides),
                    "folder": cell.folder_name,
                    "commands": [n for n, hashes in enumerate(asking) if digest in hashes],
                }
                for digest, cell in sweep.cells.items()
            ],
        },
    )
