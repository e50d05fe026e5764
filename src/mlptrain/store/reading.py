"""Reading files that may be untrusted: plain data of bounded size, from regular files only."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlptrain.errors import RunFolderError, printable
from mlptrain.store import names

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")

LIMITS = {
    names.RUN: 1 << 20,
    names.METRICS: 1 << 16,
    names.HISTORY: 2 << 20,
    names.LAYERS: 16 << 20,
    names.LAYERS_PICTURE: 4 << 20,
    names.WEIGHTS_PICTURE: 4 << 20,
    names.CONFUSION_MATRIX: 1 << 20,
    names.HEARTBEAT: 1 << 12,
    names.PREDICTIONS: 64 << 20,
    names.SWEEP: 64 << 20,
    names.RACE: 4 << 20,
    names.CHECKPOINT: 64 << 20,
}
"""Largest accepted size of each file in bytes. What mlptrain writes stays far below, except for
predictions of more than 160,000 images of 200 classes, which it does not write."""


def read_text(folder: Path, name: str) -> str:
    """Read a text file of a folder: regular, not a link, of bounded size, UTF-8.

    Raises:
        RunFolderError: it is none of that.
    """
    try:
        return read_bytes(folder, name).decode("utf-8")
    except UnicodeDecodeError:
        raise unreadable(folder, f"{name}: not UTF-8 text") from None


def read_bytes(folder: Path, name: str) -> bytes:
    """Read a file of a folder: regular, not a link, of bounded size.

    Raises:
        RunFolderError: it is none of that.
    """
    limit = LIMITS[name.partition("/")[0]]
    try:
        # Not blocking: a named pipe would wait for its other end for ever.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(folder / name, flags)
    except OSError as error:
        raise unreadable(folder, f"{name}: {error.strerror or error}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise unreadable(folder, f"{name}: not a regular file")
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise unreadable(folder, f"{name}: more than {limit:,} bytes")
    return content


def finite_number(text: str | None) -> float | None:
    """Return the number in a cell of a table; None for anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON object from a file of a folder.

    Raises:
        RunFolderError: the file is missing, too large, not regular, or not a JSON object.
    """
    try:
        content = json.loads(read_text(folder, name))
    except (ValueError, RecursionError) as error:
        raise unreadable(folder, f"{name}: not JSON ({str(error)[:80]})") from None
    if not isinstance(content, dict):
        raise unreadable(folder, f"{name}: not a JSON object")
    return content


def read_checked(folder: Path, name: str, schema: type[Model], version: int) -> Model:
    """Read a JSON object and check it against a schema.

    Raises:
        RunFolderError: the file cannot be read, or is of a later version or another schema.
    """
    from pydantic import ValidationError

    content = read_json(folder, name)
    written = content.get("schema_version")
    if isinstance(written, int) and written > version:
        raise unreadable(folder, f"{name}: schema_version {written} of a later mlptrain")
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:80]
        raise unreadable(folder, f"{name}: {where}: {first['msg'][:120]}") from None


def find_run_folders(path: Path) -> Iterator[Path]:
    """Yield every run folder at or up to two levels below a path, by name.

    Links are not followed.
    """
    return _find_folders(path, names.RUN, 2)


def find_sweep_folders(path: Path) -> Iterator[Path]:
    """Yield the path if it is a sweep's folder, else each one directly below it, by name."""
    return _find_folders(path, names.SWEEP, 1)


def _find_folders(path: Path, name: str, levels: int) -> Iterator[Path]:
    level = [path]
    for steps in range(levels + 1):
        below: list[Path] = []
        for folder in level:
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                continue
            if any(entry.name == name for entry in entries):
                yield folder
            elif steps < levels:
                below += [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False)]
        level = below


def unreadable(folder: Path, reason: str) -> RunFolderError:
    """Return the error for a file of a folder that cannot be read."""
    return RunFolderError(
        f"a run folder that mlptrain wrote: {printable(folder)}",
        printable(reason),
        "restore the file, or leave it out",
    )
