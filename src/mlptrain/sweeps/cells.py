"""The cells of a grid: every combination, composed, checked, and merged where alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.config.overrides import check_spelling, normalise, values
from mlptrain.config.schema import Config
from mlptrain.errors import ConfigError
from mlptrain.runs.folder import LATEST

_LONGEST_SLUG = 80
MOST_CELLS = 10_000


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
            listed = islice(values(override, as_words=True), MOST_CELLS + 1)
            spelled = [f"{key}={value}" for value in listed]
            if not spelled:
                raise ConfigError(
                    f"at least one value for {key}", override.input_line, f"{key}=A,B"
                )
            swept.append(spelled)
            keys.append(key)
        else:
            fixed.append(override.input_line)
    if prod(len(spelled) for spelled in swept) > MOST_CELLS:
        raise ConfigError(
            f"a grid of at most {MOST_CELLS:,} cells",
            " by ".join(keys),
            "sweep fewer values, or train the grid in parts: finished cells are kept",
        )
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
        return _folder_name(config.name)
    overrides = check_spelling(normalise(words))
    for override in overrides:
        if override.key_or_group == "experiment" and not override.is_sweep_override():
            return str(override.value())
    keys = [o.key_or_group for o in overrides if o.is_sweep_override()]
    return _folder_name("_".join(keys) or "single")


def _folder_name(text: str) -> str:
    """One visible folder below the output root, whatever the text; never the link `latest`."""
    safe = re.sub(r"[^\w.+-]", "_", text).lstrip("._")[:_LONGEST_SLUG] or "sweep"
    return f"{safe}_sweep" if safe == LATEST else safe
