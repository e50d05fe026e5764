"""A run's folder: made exclusively, and every file in it written atomically."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from filelock import Timeout

from mlptrain.errors import FullDiskError, RunFolderError, is_full_disk, printable, reason_of
from mlptrain.formatting import csv_text
from mlptrain.history import column_keys
from mlptrain.locks import lock
from mlptrain.paths import nature
from mlptrain.store.names import DESCRIPTIONS, HISTORY, LATEST, RUN, SEARCH_LOCK, SWEEP
from mlptrain.store.reading import read_json


class RunFolder:
    """One run's folder; every file is written under a temporary name and then renamed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, output_root: Path, config_hash: str) -> RunFolder:
        """Make `<date_time>-<hash8>-<4 random>` below `output_root`, exclusively.

        Raises:
            RunFolderError: the output root cannot be written to.
        """
        try:
            output_root = output_root.expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a link to itself, ~someone
            raise not_writable(output_root, str(error)) from None
        while True:
            stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
            path = output_root / f"{stamp}-{config_hash[:8]}-{secrets.token_hex(2)}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                if output_root.is_dir():
                    continue  # another run took this very name; draw again
                raise not_writable(output_root, "a file stands in its place") from None
            except OSError as error:
                raise not_writable(output_root, error.strerror or str(error)) from None
            return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return the folder of an existing run.

        Raises:
            RunFolderError: there is no run in it.
        """
        try:
            folder = cls(path.expanduser().resolve())
            is_run = (folder.path / RUN).is_file()
        except (OSError, RuntimeError, ValueError):  # too long a name, ~someone
            is_run = False
        if not is_run:
            raise RunFolderError(
                f"a run folder, which holds {RUN}",
                f"{path}, which {nature_of(path)}",
                _where_runs_are(path),
            )
        return folder

    def file(self, name: str) -> Path:
        """Return the path of one of the names above."""
        return self.path / name

    def write(self, name: str, writer: Callable[[BinaryIO], object]) -> None:
        """Replace a file atomically: a reader sees the old content or the new, never a part."""
        target = self.path / name
        if target.parent != self.path:  # a run folder that was deleted must not come back
            target.parent.mkdir(exist_ok=True)
        aside = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with aside.open("w+b") as stream:
                writer(stream)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    @contextlib.contextmanager
    def removed_if_disk_is_full(self) -> Iterator[None]:
        """Remove a new folder, also as `latest`, if the disk is too full for what is written."""
        try:
            yield
        except OSError as error:
            if not is_full_disk(error):
                raise
            shutil.rmtree(self.path, ignore_errors=True)
            repair_latest(self.path.parent)
            raise FullDiskError(reason_of(error), self.path.parent) from error

    def clear_unfinished(self) -> None:
        """Remove what a killed process was writing; only the resuming process may call it."""
        for aside in self.path.rglob(".*.part"):
            aside.unlink(missing_ok=True)

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write bytes as `write` does."""
        self.write(name, lambda stream: stream.write(content))

    def write_text(self, name: str, content: str) -> None:
        """Write UTF-8 text as `write` does."""
        self.write_bytes(name, content.encode())

    def write_json(self, name: str, content: Any) -> None:
        """Write JSON as `write` does; NaN and infinity, which JSON lacks, become null."""
        self.write_text(name, json.dumps(finite(content), indent=2) + "\n")

    def write_history(self, rows: Sequence[Mapping[str, float | int | None]]) -> None:
        """Write `history.csv`, with an empty cell for a missing value."""
        keys = column_keys()
        self.write_text(HISTORY, csv_text([keys, *([row.get(k) for k in keys] for row in rows)]))

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the folder; see `store.reading.read_json`."""
        return read_json(self.path, name)

    def status(self) -> str | None:
        """Return the run's status; None if no run was started in the folder."""
        return self.read_json(RUN).get("status") if self.file(RUN).is_file() else None

    def update_run(self, **changes: Any) -> None:
        """Change some keys of `run.json`."""
        self.write_json(RUN, {**self.read_json(RUN), **changes})

    def contents(self) -> list[tuple[str, str]]:
        """Return the existing files, each with its description."""
        return [(name, text) for name, text in DESCRIPTIONS.items() if (self.path / name).exists()]

    def point_latest(self, output_root: Path) -> None:
        """Make `latest` in the output root a link to this folder, if the system allows links."""
        root = output_root.expanduser().resolve()
        aside = root / f".{LATEST}.{secrets.token_hex(4)}"
        try:
            aside.symlink_to(os.path.relpath(self.path, root), target_is_directory=True)
            aside.replace(root / LATEST)
        except OSError:
            aside.unlink(missing_ok=True)


def repair_latest(output_root: Path) -> None:
    """Point `latest` to the newest single run if its own is gone; remove it if there is none."""

    def started(run: Path) -> str:
        try:
            return str(read_json(run, RUN).get("started"))
        except RunFolderError:
            return ""

    link = output_root / LATEST
    if not link.is_symlink() or link.exists():
        return
    runs = [file.parent for file in output_root.glob(f"*/{RUN}")]
    if runs:
        RunFolder(max(runs, key=started)).point_latest(output_root)
    else:
        link.unlink()


def not_writable(folder: Path, reason: str) -> RunFolderError:
    """Return the error for a folder below the output root that cannot be made or written to."""
    return RunFolderError(
        "an output_root that can be written to",
        f"{folder}: {reason}",
        "choose another place with output_root=PATH",
    )


@contextlib.contextmanager
def alone_in(root: Path, kind: str) -> Iterator[None]:
    """Lock the folder of a search or a race for this process, and make it if it is missing.

    Raises:
        RunFolderError: another process runs it, or the folder cannot be written to.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        alone = lock(root / SEARCH_LOCK, timeout=0)
        alone.acquire()
    except Timeout:
        raise RunFolderError(
            f"a {kind} that is not running",
            f"{root}, in which another process is running the {kind}",
            f"wait for it to finish, or start another {kind} with name=OTHER",
        ) from None
    except OSError as error:
        raise not_writable(root, error.strerror or str(error)) from None
    try:
        yield
    finally:
        alone.release()


def finite(value: Any) -> Any:
    """Return the value with None for NaN and infinity, which JSON lacks."""
    if isinstance(value, float) and value - value != 0:
        return None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def nature_of(path: Path, missing: str = RUN) -> str:
    """Return what a path is that does not hold the missing file, to follow "which"."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        for name, kind in ((SWEEP, "a sweep"), (RUN, "a run")):
            if (path.expanduser() / name).is_file():
                return f"is the folder of {kind}"
    what = nature(path)
    return f"{what} without {missing}" if what == "is a folder" else what


def _where_runs_are(path: Path) -> str:
    """Return what to type for the runs at, below or around a path that is no run's folder."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        place = path.expanduser()
        if place.is_file() and (place.parent / RUN).is_file():
            return f"give its folder: {path.parent}"
        if nature(path) == "is a folder":
            return f"`mlptrain runs {shlex.quote(printable(path))}` lists the runs below it"
    return "`mlptrain runs PATH` lists the runs below a folder; `mlptrain` alone trains one"
