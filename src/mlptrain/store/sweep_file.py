"""`sweep.json`: what the cell folders of a sweep cannot know."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from mlptrain.errors import RunFolderError
from mlptrain.formatting import shown_path
from mlptrain.locks import lock
from mlptrain.store.names import SWEEP, SWEEP_LOCK
from mlptrain.store.reading import read_checked
from mlptrain.store.run_folder import RunFolder, nature_of, not_writable

SCHEMA_VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


class _Figure(_Part):
    where: dict[str, Any] = {}
    train: FiniteFloat | None = None
    validation: FiniteFloat | None = None
    test: FiniteFloat | None = None


class _Stage(_Part):
    name: str
    title: str
    question: str
    finding: str
    figures: list[_Figure]
    cells: list[str]


class _Cell(_Part):
    # Together they name the cell's folder, and must not lead out of the sweep's.
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    slug: Annotated[str, Field(pattern=r"^[A-Za-z0-9_=,+-][A-Za-z0-9_.=,+-]*$")]
    overrides: tuple[str, ...]
    commands: list[int]


class _Content(_Part):
    """The file, checked."""

    study: str | None
    threads: int
    commands: list[tuple[str, ...]]
    cells: list[_Cell]
    stages: list[_Stage]


@dataclass(frozen=True)
class CellName:
    """What a sweep's file remembers of a cell.

    Attributes:
        config_hash: its identity.
        slug: the swept values, readable, safe as a folder's name.
        overrides: those that compose it.
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
        threads: of each worker, chosen once, so that a cell's result does not depend on the number
            of workers.
        commands: command line → the hashes of the cells that it requests; oldest command first.
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
        """The cells that any of the commands requests, in the order of the first requests."""
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
    """Record the cells that a command requests; create folder and file if they are missing.

    A repeated command requests its current cells only: if a default has changed since, the former
    cells are no longer requested. Nothing is deleted.

    Raises:
        RunFolderError: the folder holds another study's cells, or cannot be written to.
    """
    named = {c.config_hash: CellName(c.config_hash, c.slug, tuple(c.overrides)) for c in cells}
    try:
        root.mkdir(parents=True, exist_ok=True)
        with lock(root / SWEEP_LOCK):
            known = known_sweep(root) or SweepFile(root, study, threads, {}, {})
            if known.study != study:
                raise RunFolderError(
                    f"{root} to hold cells of {study or 'a grid without a study'}",
                    f"cells of {known.study or 'a grid without a study'}",
                    "give this sweep another name with name=NAME",
                )
            new = {digest: cell for digest, cell in named.items() if digest not in known.cells}
            commands = known.commands | {tuple(command): list(named)}
            return _write(known, commands=commands, cells=known.cells | new, stages=stages)
    except OSError as error:
        raise not_writable(root, error.strerror or str(error)) from None


def forget(root: Path, cells: Sequence[CellName]) -> None:
    """Remove cells from the file; the caller removes their folders."""
    with lock(root / SWEEP_LOCK):
        known = load(root)
        gone = {cell.config_hash for cell in cells}
        _write(known, cells={d: cell for d, cell in known.cells.items() if d not in gone})


def add_name_to_commands(root: Path) -> None:
    """Have the commands of a renamed folder name it, so that they find its cells again."""
    with lock(root / SWEEP_LOCK):
        known = load(root)
        commands: dict[tuple[str, ...], list[str]] = {}
        for command, hashes in known.commands.items():
            words = [word for word in command if not word.lstrip("+").startswith("name=")]
            digests = commands.setdefault((*words, f"name={root.name}"), [])
            digests += [digest for digest in hashes if digest not in digests]
        _write(known, commands=commands)


def known_sweep(root: Path) -> SweepFile | None:
    """Read the file of a sweep's folder; return None before the sweep's first command.

    Raises:
        RunFolderError: it is not what this version writes.
    """
    try:
        if not (root / SWEEP).is_file():
            return None
    except OSError:  # too long a name, a folder that may not be looked into
        return None
    content = read_checked(root, SWEEP, _Content, SCHEMA_VERSION)
    return SweepFile(
        root,
        content.study,
        content.threads,
        {
            command: [cell.hash for cell in content.cells if number in cell.commands]
            for number, command in enumerate(content.commands)
        },
        {cell.hash: CellName(cell.hash, cell.slug, cell.overrides) for cell in content.cells},
        [stage.model_dump(exclude_none=True) for stage in content.stages],
    )


def load(root: Path) -> SweepFile:
    """Read the file of a sweep's folder.

    Raises:
        RunFolderError: there is none, or it is not what this version writes.
    """
    if (sweep := known_sweep(root)) is not None:
        return sweep
    raise RunFolderError(
        f"a sweep's folder, which holds {SWEEP}",
        f"{shown_path(root)}, which {nature_of(root, SWEEP)}",
        "`mlptrain status` alone lists the sweeps in outputs; "
        "single runs and a search's trials are listed by `mlptrain runs`",
    )


def _write(known: SweepFile, **changes: Any) -> SweepFile:
    """Write the file with some changes, and return it."""
    sweep = replace(known, **changes)
    requests = [set(hashes) for hashes in sweep.commands.values()]
    cells = [
        {
            "hash": digest,
            "slug": cell.slug,
            "overrides": list(cell.overrides),
            "folder": cell.folder_name,
            "commands": [n for n, hashes in enumerate(requests) if digest in hashes],
        }
        for digest, cell in sweep.cells.items()
    ]
    content = {
        "schema_version": SCHEMA_VERSION,
        "name": sweep.root.name,
        "study": sweep.study,
        "threads": sweep.threads,
        "stages": sweep.stages,
        "commands": [list(command) for command in sweep.commands],
        "cells": cells,
    }
    RunFolder(sweep.root).write_json(SWEEP, content)
    return sweep
