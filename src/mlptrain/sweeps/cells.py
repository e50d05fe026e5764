"""The cells of a grid: every combination, composed and checked; equal ones are merged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.config.overrides import parse_overrides, text_of, texts_of, values
from mlptrain.config.schema import Config
from mlptrain.datasets import Inventories
from mlptrain.errors import ConfigError
from mlptrain.store.names import LATEST
from mlptrain.store.sweep_file import CellName, SweepFile, remember
from mlptrain.sweeps.study import Stage, load_stages, pinned

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_LONGEST_SLUG = 80
MOST_CELLS = 10_000


@dataclass(frozen=True)
class Cell(CellName):
    """One cell of a grid, with its checked config."""

    config: Config


@dataclass(frozen=True)
class Plan:
    """The cells of a sweep.

    Attributes:
        name: name of the sweep's folder below the output root.
        study: the study's name, if it is one.
        stages: each stage with the hashes of its cells; empty without a study.
        cells: the distinct cells, in the order they were listed.
        listed: number of cells before equal ones were merged.
        inventories: of the images of all cells, so that no worker has to look at them again.
    """

    name: str
    study: str | None
    stages: list[tuple[Stage, list[str]]]
    cells: list[Cell]
    listed: int
    inventories: Inventories

    def named_as(self, known: Mapping[str, CellName]) -> Plan:
        """Return the plan with the folder names that its cells already have in the sweep.

        Args:
            known: hash → cell of earlier commands; a cell keeps its first folder, whichever
                overrides lead to it later.
        """
        cells = [
            replace(cell, slug=known[cell.config_hash].slug) if cell.config_hash in known else cell
            for cell in self.cells
        ]
        return replace(self, cells=cells)

    def remember(self, root: Path, command: Sequence[str], threads: int) -> SweepFile:
        """Record the command and its cells in the sweep's file; see `store.sweep_file.remember`."""
        stages = []
        for stage, hashes in self.stages:
            content = asdict(stage)
            del content["grids"]
            stages.append({**content, "cells": hashes})
        return remember(root, self.study, stages, self.cells, command, threads)


def plan_sweep(
    overrides: Sequence[str | Override],
    study: str | None = None,
    base: Mapping[str, Any] | None = None,
) -> Plan:
    """Compose and check every cell of a command line.

    Args:
        overrides: texts or parsed overrides; those with several values span the grid.
        study: whose grids the overrides change; None for the overrides' own grid.
        base: config of an earlier run that the cells start from; see `compose`.

    Raises:
        ConfigError: any cell is not valid; nothing was started.
    """
    overrides = parse_overrides(overrides)
    inventories: Inventories = {}
    if study is None:
        listed = expand(overrides, inventories, base=base)
        stages: list[tuple[Stage, list[str]]] = []
    else:
        listed = []
        stages = []
        for stage in load_stages(study):
            cells = [
                cell
                for grid in stage.grids
                for cell in expand(pinned(grid, overrides), inventories, stage.name)
            ]
            stages.append((stage, [cell.config_hash for cell in cells]))
            listed += cells
    distinct: dict[str, Cell] = {}
    for cell in listed:
        distinct.setdefault(cell.config_hash, cell)
    cells = list(distinct.values())
    name = sweep_name(overrides, cells[0].config, study)
    return Plan(name, study, stages, cells, len(listed), inventories)


def expand(
    overrides: Sequence[Override],
    inventories: Inventories,
    stage: str | None = None,
    base: Mapping[str, Any] | None = None,
) -> list[Cell]:
    """Return the product of all swept overrides, every cell composed and checked.

    Args:
        overrides: one grid, with the command line's overrides, parsed.
        inventories: of the images that other grids have looked at; see `compose`.
        stage: the stage it belongs to, for the cells' names.
        base: config of an earlier run that the cells start from.

    Raises:
        ConfigError: any cell is not valid; the message names it.
    """
    fixed, grid, keys = [], [], []
    for override in overrides:
        if override.is_sweep_override():
            key = override.get_key_element()
            listed = islice(values(override, as_text=True), MOST_CELLS + 1)
            texts = [f"{key}={value}" for value in listed]
            if not texts:
                problem = f"at least one value for {key}", text_of(override), f"write {key}=A,B"
                raise ConfigError(*problem)
            grid.append(texts)
            keys.append(key)
        else:
            fixed.append(override)
    if prod(map(len, grid)) > MOST_CELLS:  # parsing so many would take half a minute
        raise ConfigError(
            f"a grid of at most {MOST_CELLS:,} cells",
            " by ".join(keys),
            "sweep fewer values, or train the grid in parts: finished runs are not trained again",
        )
    cells = []
    for combination in product(*map(parse_overrides, grid)):
        values_of_cell = texts_of(combination)
        try:
            composed = compose((*fixed, *combination), inventories, base)
        except ConfigError as error:
            places = [f"cell {' '.join(values_of_cell)}"] if values_of_cell else []
            where = " of ".join([*places, *([f"stage {stage}"] if stage else [])])
            received = f"{error.received} (in {where})" if where else error.received
            raise ConfigError(error.expected, received, error.action) from None
        config, overrides_of_cell = composed.config, tuple(composed.overrides)
        cells.append(
            Cell(config_hash(config), slug(values_of_cell, stage), overrides_of_cell, config)
        )
    return cells


def slug(combination: Sequence[str], stage: str | None = None) -> str:
    """Shorten `activation=relu`, `model.dropout=0.3` to `activation=relu,dropout=0.3`."""
    parts = [] if stage is None else [stage]
    for override in combination:
        key, _, value = override.partition("=")
        parts.append(f"{key.rpartition('.')[2].lstrip('+')}={value}")
    text = re.sub(r"[^A-Za-z0-9_.=,+-]", "", ",".join(parts))[:_LONGEST_SLUG]
    return text or "cell"


def sweep_name(
    overrides: Sequence[str | Override], config: Config, study: str | None = None
) -> str:
    """Return the sweep's name: `name=`, else the study or experiment, else the swept keys.

    It does not depend on the swept values, so that the same command, or one with more values,
    finds its earlier runs.
    """
    if config.name:
        return folder_name(config.name)
    if study is not None:
        return folder_name(Path(study).stem)
    overrides = parse_overrides(overrides)
    for override in overrides:
        if override.key_or_group == "experiment" and not override.is_sweep_override():
            return str(override.value())
    keys = [o.key_or_group for o in overrides if o.is_sweep_override()]
    return folder_name("_".join(keys) or "single")


def folder_name(text: str) -> str:
    """Return a name for a visible folder below the output root, never the link `latest`."""
    safe = re.sub(r"[^\w.+-]", "_", text).lstrip("._")[:_LONGEST_SLUG] or "sweep"
    return f"{safe}_sweep" if safe == LATEST else safe
