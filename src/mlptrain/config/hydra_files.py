"""Compose chosen files of `conf/` with Hydra, as they stand."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from mlptrain.augmentations import neutral_values
from mlptrain.config import location
from mlptrain.config.messages import hydra_errors, override_error

if TYPE_CHECKING:
    from omegaconf import DictConfig


def compose_files(chosen: Sequence[str]) -> DictConfig:
    """Return the config of the default files with the chosen ones, and Hydra's own part.

    Args:
        chosen: overrides that choose files, and those of Hydra's own settings.

    Raises:
        ConfigError: Hydra cannot compose them.
    """
    return copy.deepcopy(_composed(location.CONF, tuple(chosen)))


@cache
def _composed(conf: Path, chosen: tuple[str, ...]) -> DictConfig:
    """Compose the chosen files; a grid composes each combination of files only once."""
    with _hydra(conf) as hydra_compose:
        try:
            return hydra_compose("config", overrides=list(chosen), return_hydra_config=True)
        except hydra_errors() as error:
            raise override_error(OmegaConf.create(), chosen, error) from None


def store_neutral_values() -> None:
    """Give Hydra the config `augmentation_off`, which `config.yaml` includes."""
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store("augmentation_off", {"augmentation": neutral_values()})


@contextmanager
def _hydra(conf: Path) -> Iterator[Any]:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    store_neutral_values()
    # Inside a Hydra job (a sweep's cell) the global Hydra belongs to the sweep: put it back.
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(conf)):
            yield hydra_compose
    finally:
        GlobalHydra.instance().hydra = before
