"""The cells of a grid: every combination, composed, checked, and merged where alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.config.overrides import check_spelling, normalise
from mlptrain.config.schema import Config
from mlptrain.errors import ConfigError

_LONGEST_SLUG = 80


@dataclass(frozen=True)
class Cell:
    """One config of a grid.

    Attributes:
        overrides: the words that compose it.
        config: the checked config.
        config_hash: its identity.
        slug: the swept values, readable, safe as a folder's name.
    """

    overrides: tuple[str, ...]
    config: Config
    config_hash: str
    slug: str

    @property
    def folder_name(self) -> str:
        """`<slug>-<hash8>`."""
        return f"{self.slug}-{self.config_hash[:8]}"


def plan_cells(words: Sequence[str]) -> list[Cell]:
    """Expand the product of all swept words; cells that resolve alike are one.

    Raises:
        ConfigError: any cell is not valid; nothing was started.
    """
    words = normalise(words)
    fixed, swept, keys = [], [], []
    for override in check_spelling(words):
        if override.is_sweep_override():
            key = override.get_key_element()
            values = [f"{key}={value}" for value in override.sweep_string_iterator()]
            if not values:
                raise ConfigError(
                    f"at least one value for {key}", override.input_line, f"{key}=A,B"
                )
            swept.append(values)
            keys.append(key)
        else:
            fixed.append(override.input_line)
    cells: dict[str, Cell] = {}
    for combination in product(*swept):
        overrides = (*fixed, *combination)
        try:
            config = compose(overrides).config
        except ConfigError as error:
            cell = " ".join(combination) or "the only cell"
            raise ConfigError(
                error.expected, f"{error.received} (in the cell {cell})", error.action
            ) from None
        digest = config_hash(config)
        cells.setdefault(digest, Cell(overrides, config, digest, slug(combination)))
    return list(cells.values())


def slug(combination: Sequence[str]) -> str:
    """`activation=relu`, `model.dropout=0.3` → `activation=relu,dropout=0.3`, shortened."""
    parts = []
    for word in combination:
        key, _, value = word.partition("=")
        parts.append(f"{key.rpartition('.')[2].lstrip('+')}={value}")
    text = re.sub(r"[^A-Za-z0-9_.=,+-]", "", ",".join(parts))[:_LONGEST_SLUG]
    return text or "cell"


def sweep_name(words: Sequence[str], config: Config) -> str:
    """`name=`, else the experiment's, else the swept keys: the same command finds its folder."""
    if config.name:
        return re.sub(r"[^\w.+-]", "_", config.name)
    overrides = check_spelling(normalise(words))
    for override in overrides:
        if override.key_or_group == "experiment" and not override.is_sweep_override():
            return str(override.value())
    keys = [o.key_or_group for o in overrides if o.is_sweep_override()]
    return "_".join(keys) or "single"
