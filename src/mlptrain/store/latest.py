"""The link `latest` in an output root, after a run was removed."""

from __future__ import annotations

from pathlib import Path

from mlptrain.errors import RunFolderError
from mlptrain.store.names import LATEST, RUN
from mlptrain.store.reading import read_json
from mlptrain.store.run_folder import RunFolder


def repair_latest(output_root: Path) -> None:
    """Point `latest` to the newest single run if its own is gone; remove it if there is none."""
    link = output_root / LATEST
    if not link.is_symlink() or link.exists():
        return
    runs = [file.parent for file in output_root.glob(f"*/{RUN}")]
    if runs:
        RunFolder(max(runs, key=_started)).point_latest(output_root)
    else:
        link.unlink()


def _started(run: Path) -> str:
    try:
        return str(read_json(run, RUN).get("started"))
    except RunFolderError:
        return ""
