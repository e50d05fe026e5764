"""A folder of runs that no process trains, so that it can be removed or renamed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from mlptrain.formatting import shown_path
from mlptrain.locks import has_lock_file, lock
from mlptrain.store import names
from mlptrain.store.heartbeat import being_trained
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.runs import read_run
from mlptrain.store.sweep_file import known_sweep
from mlptrain.sweeps.ledger import is_alive


@dataclass(frozen=True)
class IdleFolder:
    """A folder that mlptrain wrote and that no process writes to.

    Attributes:
        path: the folder.
        kind: `run`, `sweep` or `search`.
        runs: the folders of its runs; of a run, the folder itself.
    """

    path: Path
    kind: str
    runs: list[Path]

    @classmethod
    def open(cls, path: Path) -> IdleFolder:
        """Return what is at a path.

        Raises:
            RunFolderError: there is no run, sweep or search, or it is being trained.
        """
        try:
            folder = path.expanduser().resolve()
            kind = _group(folder)
        except (OSError, RuntimeError, ValueError):  # ~someone, a link to itself, too long a name
            folder, kind = path, None
        if kind is None:
            RunFolder.open(path)
            read_run(folder)
            return cls.of_run(folder)
        if kind == "sweep":
            known_sweep(folder)  # refuses a file that is not mlptrain's
        runs = (file.parent for file in folder.glob(f"*/{names.RUN}"))
        return cls._idle(folder, kind, sorted(run for run in runs if not run.is_symlink()))

    @classmethod
    def of_run(cls, folder: Path) -> IdleFolder:
        """Return the folder of a run, whatever version wrote it.

        Raises:
            RunFolderError: the run is being trained.
        """
        return cls._idle(folder, "run", [folder])

    @classmethod
    def _idle(cls, path: Path, kind: str, runs: list[Path]) -> IdleFolder:
        for run in runs:
            if RunFolder(run).status() == "running" and is_alive(run):
                raise being_trained(shown_path(run))
        return cls(path, kind, runs)

    @property
    def group(self) -> str | None:
        """What the folder of a run is in: `sweep`, `search`, or None for a single run."""
        return _group(self.path.parent)

    @property
    def output_root(self) -> Path:
        """The folder that holds the single runs and the sweeps."""
        return self.path.parent.parent if self.group else self.path.parent

    def size(self) -> int:
        """Return the bytes of the regular files in the folder."""
        files = (path for path in self.path.rglob("*") if not path.is_symlink())
        return sum(path.stat().st_size for path in files if path.is_file())

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other processes from training in the folder while the block runs.

        Raises:
            RunFolderError: one of them does so already.
        """
        claims = [run / names.CLAIM for run in self.runs] + [self.path / names.SEARCH_LOCK]
        with ExitStack() as stack:
            # A finished run has no claim, and a run that could be resumed has one.
            for claim in filter(has_lock_file, claims):
                try:
                    stack.enter_context(lock(claim, timeout=0))
                except Timeout:
                    raise being_trained(shown_path(claim.parent)) from None
            yield


def _group(folder: Path) -> str | None:
    """Return `sweep` or `search` where the folder is one; None for any other folder."""
    if (folder / names.JOURNAL).is_file():
        return "search"
    return "sweep" if (folder / names.SWEEP).is_file() else None
