"""The sweeper that Hydra finds below `hydra_plugins`; its code is in `mlptrain.sweeps`."""

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class MlptrainSweeper(Sweeper):
    """Trains the cells of a grid, each in a folder named after its config."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember what the launcher needs; `launch` makes it once the sweep's folder is known."""
        self.context, self.config = hydra_context, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep; `arguments` is empty, see `mlptrain.sweeps.hydra_app`."""
        from mlptrain.sweeps.hydra_app import current_sweep

        return current_sweep()(
            self.config,
            lambda task: Plugins.instance().instantiate_launcher(
                hydra_context=self.context, task_function=task, config=self.config
            ),
        )


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="mlptrain",
    node={"_target_": "hydra_plugins.mlptrain_sweeper.MlptrainSweeper"},
    provider="mlptrain",
)
