"""Run folders as data. A folder may be untrusted: its content is checked against a schema.

`config.yaml` is not needed, because `run.json` holds the resolved config too.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlptrain.augmentations import neutral_values
from mlptrain.config.nesting import depth
from mlptrain.config.settings import flat
from mlptrain.errors import RunFolderError
from mlptrain.history import column_keys
from mlptrain.store import names
from mlptrain.store.heartbeat import alive
from mlptrain.store.reading import (
    find_run_folders,
    finite_number,
    read_checked,
    read_json,
    read_text,
    unreadable,
)
from mlptrain.store.run_folder import nature_of
from mlptrain.store.run_record import SCHEMA_VERSION
from mlptrain.store.sweep_file import known_sweep

SPLITS = {"train": "train_accuracy", "validation": "val_accuracy", "test": "test_accuracy"}
"""Split → key in metrics.json."""

SPLIT_SEED = "data.split_seed"
Block = tuple[int, int]
"""Seed of the split, -1 for the first images of train, and seed of the run."""

_MOST_SETTINGS = 1_000
"""A config of mlptrain has about sixty; comparing settings takes time with their square."""

_MOST_LEVELS = 300
"""Of a config; Python's own recursion ends at a thousand."""

Text = Annotated[str, Field(max_length=2_000)]


class _Facts(BaseModel):
    """The part of `run.json` that readers rely on."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: int
    run_id: Text
    status: Literal["running", "finished", "failed", "interrupted"]
    reason: Text | None = None
    config_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    recipe_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    config: dict[str, Any]
    seed: int
    command: list[Text] = []
    started: Text | None = None
    finished: Text | None = None
    versions: dict[str, Text] = {}
    git: dict[str, Any] | None = None
    data: dict[str, Any] | None = None
    machine: dict[str, Any] | None = None
    resumed: list[Text] = []


@dataclass(frozen=True)
class Run:
    """One run as its folder tells it.

    Attributes:
        path: the folder.
        facts: `run.json`, checked.
        metrics: `metrics.json`: finite numbers only; empty unless the run is finished.
        notes: what is wrong with the folder though it can be read.
    """

    path: Path
    facts: _Facts
    metrics: Mapping[str, float]
    notes: tuple[str, ...] = ()

    @cached_property
    def status(self) -> str:
        """As it stands in `run.json`, but `stale` where that says running and no process is."""
        if self.facts.status != "running":
            return self.facts.status
        try:
            return "running" if alive(read_json(self.path, names.HEARTBEAT)) else "stale"
        except RunFolderError:
            return "stale"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The config with dotted keys; see `flat`. Augmentations from after the run are off."""
        config = self.facts.config
        if isinstance(augmentation := config.get("augmentation"), Mapping):
            config = {**config, "augmentation": {**neutral_values(), **augmentation}}
        return flat(config)

    @property
    def block(self) -> Block:
        """The split and the seed: what two configurations must share to be compared in pairs."""
        split_seed = self.settings.get(SPLIT_SEED)
        return (split_seed if isinstance(split_seed, int) else -1, self.facts.seed)

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The settings without what reports average over."""
        return {key: value for key, value in self.settings.items() if key != SPLIT_SEED}

    @property
    def epochs_run(self) -> int:
        """Number of finished epochs, also of a run that has not finished."""
        trained = self.metrics.get("epochs_run")
        return len(self.history) if trained is None else int(trained)

    @property
    def progress(self) -> str:
        """Finished epochs of all, such as `7/25`, and whether training stopped early."""
        early = " early" if self.status == "finished" and self.facts.reason else ""
        return f"{self.epochs_run}/{self.settings.get('train.epochs')}{early}"

    @cached_property
    def history(self) -> list[dict[str, float | None]]:
        """See `read_history`."""
        return read_history(self.path)


@dataclass(frozen=True)
class RunList:
    """The runs below some paths, and each folder that could not be read with the reason."""

    runs: list[Run] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)


def find_runs(paths: Iterable[Path]) -> RunList:
    """Return every run at or below the paths, in the order of their folders' names.

    Links below a path are not followed, so that `latest` does not count twice. Cells of a sweep
    that were trained elsewhere below the same output root belong to it, as in `mlptrain status`.

    Raises:
        RunFolderError: a path does not exist, or there is no run at all below it.
    """
    run_list = RunList()
    seen: set[Path] = set()
    for given in paths:
        try:
            path = given.expanduser().resolve()
        except (OSError, RuntimeError, ValueError):  # ~someone, a link to itself, too long a name
            path = given
        before = len(run_list.runs) + len(run_list.skipped)
        for folder in find_run_folders(path):
            if folder in seen:
                continue
            seen.add(folder)
            try:
                run_list.runs.append(read_run(folder))
            except RunFolderError as error:
                run_list.skipped.append((folder, error.received))
        for run in _trained_elsewhere(path, run_list.runs):
            if run.path not in seen:
                seen.add(run.path)
                run_list.runs.append(run)
        if len(run_list.runs) + len(run_list.skipped) == before and not any(
            path in (folder, *folder.parents) for folder in seen
        ):
            raise RunFolderError(
                f"a folder with runs, which hold {names.RUN}",
                f"{given}, which {nature_of(path)}",
                "give the path of a run, a sweep or an output root; `mlptrain` alone trains a run",
            )
    return run_list


def _trained_elsewhere(folder: Path, known: Iterable[Run]) -> Iterator[Run]:
    """Yield finished runs beside a sweep's folder, of cells that it asks for and does not have."""
    try:
        sweep = known_sweep(folder)
    except RunFolderError:
        return  # those who need more of the file say what is wrong with it
    missing = {cell.config_hash for cell in sweep.requested} if sweep else set()
    missing -= {run.facts.config_hash for run in known if folder in run.path.parents}
    for other in find_run_folders(folder.parent) if missing else ():
        try:
            run = read_run(other)
        except RunFolderError:
            continue  # not one of the paths that were given
        if run.facts.status == "finished" and run.facts.config_hash in missing:
            missing.remove(run.facts.config_hash)
            yield run


def read_run(folder: Path) -> Run:
    """Read one run's folder and check it.

    Raises:
        RunFolderError: `received` says in one line what is wrong.
    """
    facts = read_checked(folder, names.RUN, _Facts, SCHEMA_VERSION)
    if depth(facts.config) > _MOST_LEVELS:
        raise unreadable(folder, f"{names.RUN}: config: more than {_MOST_LEVELS} levels")
    notes = []
    metrics: dict[str, float] = {}
    if facts.status == "finished":
        try:
            metrics = {
                str(key)[:80]: float(value)
                for key, value in read_json(folder, names.METRICS).items()
                if isinstance(value, int | float) and math.isfinite(value)
            }
        except (RunFolderError, OverflowError) as error:
            notes.append(getattr(error, "received", str(error)))
    for key in [k for k, v in metrics.items() if k.endswith("_accuracy") and not 0 <= v <= 1]:
        notes.append(f"{names.METRICS}: {key} {metrics.pop(key):.4g} is not a fraction")
    run = Run(folder, facts, metrics, tuple(notes))
    if len(run.settings) > _MOST_SETTINGS:
        raise unreadable(folder, f"{names.RUN}: more than {_MOST_SETTINGS:,} settings")
    return run


def by_recipe(runs: Iterable[Run]) -> list[list[Run]]:
    """Return the runs of each recipe, by block; of the same experiment run twice, the later run."""
    recipes: dict[str, dict[Block, Run]] = {}
    for run in runs:
        recipes.setdefault(run.facts.recipe_hash, {})[run.block] = run
    return [[by_block[block] for block in sorted(by_block)] for by_block in recipes.values()]


def read_history(folder: Path) -> list[dict[str, float | None]]:
    """Return the rows of `history.csv`, with None for what is not a number; empty if unreadable."""
    try:
        text = read_text(folder, names.HISTORY)
        rows = list(csv.DictReader(io.StringIO(text)))
    except (RunFolderError, csv.Error):
        return []
    if any(not {"epoch", "loss", "accuracy"} <= row.keys() for row in rows):
        return []
    return [{key: finite_number(row.get(key)) for key in column_keys()} for row in rows]
