"""Make Hydra compose configs as `mlptrain` does: for `--cfg`, for `--info`, and in each job."""

from collections.abc import Mapping
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import ConfigSearchPath
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict, read_write

from mlptrain.config.layers import compose_layers
from mlptrain.config.overrides import parse_overrides, text_of


class LayeredLoader(ConfigLoaderImpl):
    """Hydra's loader, with the layers of `mlptrain` in the place of Hydra's own merging.

    A launcher takes it along to where a job runs.
    """

    def __init__(self, search_path: ConfigSearchPath, base: Mapping[str, Any] | None) -> None:
        super().__init__(search_path)
        self.base = base

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """Return the config of the overrides, with Hydra's own part for this mode."""
        parsed = parse_overrides(overrides)
        of_hydra = [text_of(o) for o in parsed if o.key_or_group.startswith("hydra")]
        config = super().load_configuration(
            config_name, of_hydra, run_mode, from_shell, validate_sweep_overrides
        )
        # Settings such as the folder of a job differ in each of them and would fill the cache.
        layered = compose_layers(
            [o for o in parsed if not o.key_or_group.startswith("hydra.")], self.base
        )
        with read_write(config), open_dict(config):
            for key in [key for key in config if key != "hydra"]:
                del config[key]
            for key in layered.config:
                config[key] = layered.config._get_node(key)  # interpolations stay as they are
            hydra = layered.hydra()
            config.hydra.overrides.task = hydra.overrides.task
            config.hydra.runtime.choices = hydra.runtime.choices
        return config
