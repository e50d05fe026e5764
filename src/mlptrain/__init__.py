"""Trains a Keras MLP on CIFAR-10 from one checked config into a folder that explains itself."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

__version__ = "0.1.0"
__all__ = ["load_runs"]


def load_runs(*paths: str | PathLike[str]) -> pandas.DataFrame:
    """Every run at or below the paths, a row each: settings, metrics, seed, status, path.

    Args:
        *paths: runs, sweeps or output roots; `outputs` if none is given.

    Returns:
        Settings have dotted keys as on the command line, metrics the keys of `metrics.json`.
        Folders that cannot be read are left out, with a warning each.

    Raises:
        RunFolderError: a path holds no run.
        ImportError: pandas is not installed.
    """
    # Imported here, so that `import mlptrain` and the command line stay quick.
    import warnings
    from pathlib import Path

    import pandas

    from mlptrain.reports.runs import find_runs
    from mlptrain.reports.table import record

    found = find_runs([Path(path) for path in paths] or [Path("outputs")])
    for folder, reason in found.skipped:
        warnings.warn(f"skipped {folder}: {reason}", stacklevel=2)
    return pandas.DataFrame([record(run) for run in found.runs])
