"""Remove and rename runs and sweeps, and keep right what other folders say about them."""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from mlptrain.errors import RunFolderError, UsageError
from mlptrain.formatting import shown_path
from mlptrain.store import names
from mlptrain.store.reading import find_sweep_folders
from mlptrain.store.run_folder import RunFolder, repair_latest
from mlptrain.store.runs import read_run
from mlptrain.store.sweep_file import add_name_to_commands, known_sweep
from mlptrain.sweeps.cells import folder_name
from mlptrain.sweeps.idle_folder import IdleFolder
from mlptrain.sweeps.ledger import read_ledger
from mlptrain.sweeps.summary import summarize, write_summary

_UNFINISHED = (".*.part", ".*.part.keras", ".stop-*")
"""What a killed process may have left in a folder."""


def remove(folders: Sequence[IdleFolder]) -> list[Path]:
    """Remove the folders; afterwards `latest` and the summaries of sweeps are right again.

    Files that mlptrain did not write stay, and with them their folder.

    Returns:
        The folders that were kept for such files.

    Raises:
        RunFolderError: a process trains one of the runs; nothing is removed.
    """
    with ExitStack() as claims:
        for folder in folders:
            claims.enter_context(folder.claimed())
        hashes = {_config_hash(run) for folder in folders for run in folder.runs}
        output_roots = dict.fromkeys(folder.output_root for folder in folders)
        for folder in folders:
            for run in folder.runs:
                with suppress(RunFolderError):  # killed halfway, it must not pass for finished
                    RunFolder(run).update_run(status="failed", reason="its removal was cut short")
                _remove_entries(run, names.RUN_ENTRIES)
            if folder.kind != "run":
                _remove_entries(folder.path, names.SWEEP_ENTRIES)
    for root in output_roots:
        for sweep in find_sweep_folders(root):
            _summarize_again(sweep, hashes)
        repair_latest(root)
    paths = (path for folder in folders for path in (*folder.runs, folder.path))
    return [path for path in dict.fromkeys(paths) if path.exists()]


def sweeps_that_request(folder: IdleFolder) -> list[Path]:
    """Return the other sweeps that request runs of a folder, and so would train them again."""
    hashes = {_config_hash(run) for run in folder.runs}
    sweeps = find_sweep_folders(folder.output_root)
    return [sweep for sweep in sweeps if sweep != folder.path and hashes & _requested(sweep)]


def renamed(folder: IdleFolder, name: str) -> Path:
    """Return the path of a run or a sweep under another name.

    Raises:
        UsageError: the name is not one that mlptrain gives to a folder.
        RunFolderError: the folder has to keep its name, or the new one is taken.
    """
    if folder_name(name) != name:
        expected = "a name of letters, digits and _ . + -, other than latest"
        raise UsageError(expected, name, f"choose a name such as {folder_name(name)}")
    if folder.kind == "search" or folder.group:
        what = "a search" if folder.kind == "search" else f"a run of the {folder.group}"
        raise RunFolderError(
            "a single run or a sweep",
            f"{shown_path(folder.path)}, {what}",
            "leave the name of a search, a trial or a cell as it is; others rely on it",
        )
    target = folder.path.with_name(name)
    if target.is_symlink() or target.exists():
        raise RunFolderError(
            "a name that is free", f"{shown_path(target)}, which exists", "choose another one"
        )
    return target


def rename(folder: IdleFolder, target: Path) -> None:
    """Rename a folder; `latest` follows, and the commands of a sweep get `name=NAME`.

    Args:
        folder: of a single run or a sweep.
        target: of `renamed`.

    Raises:
        RunFolderError: a process trains one of the runs; nothing is renamed.
    """
    root = folder.output_root
    is_latest = (root / names.LATEST).resolve() == folder.path
    with folder.claimed():
        folder.path.rename(target)
    if folder.kind == "sweep":
        add_name_to_commands(target)
    else:
        RunFolder(target).update_run(run_id=target.name)
    if is_latest:
        RunFolder(target).point_latest(root)


def _remove_entries(folder: Path, known: Iterable[str]) -> None:
    """Remove the known entries in their order, and the folder if nothing else is in it."""
    unfinished = [path for pattern in _UNFINISHED for path in folder.glob(pattern)]
    for entry in (*unfinished, *(folder / name for name in known)):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    with suppress(OSError):  # something of the user's is in it
        folder.rmdir()


def _summarize_again(root: Path, hashes: set[str]) -> None:
    """Write a sweep's summary anew if one of its runs was removed; remove it with the last one."""
    if not hashes & _requested(root):
        return
    sweep = known_sweep(root)
    entries = read_ledger(root, root.parent, sweep.requested if sweep else [])
    if rows := summarize(read_run(entry.folder) for entry in entries if entry.status == "done"):
        write_summary(RunFolder(root), rows)
    else:
        for name in (names.SUMMARY, names.SUMMARY_TABLE):
            (root / name).unlink(missing_ok=True)


def _requested(root: Path) -> set[str]:
    try:
        sweep = known_sweep(root)
    except RunFolderError:  # damaged: it says so when it is used
        return set()
    return {cell.config_hash for cell in sweep.requested} if sweep else set()


def _config_hash(run: Path) -> str:
    try:
        return str(RunFolder(run).read_json(names.RUN).get("config_hash"))
    except RunFolderError:
        return ""
