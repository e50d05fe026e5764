"""From a checked config to everything that trains: data, net, optimizer, engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlptrain.config.registry import OPTIMIZERS
from mlptrain.config.schema import Config
from mlptrain.data.dataset import Dataset
from mlptrain.limits import computes_in_bfloat16

if TYPE_CHECKING:
    from mlptrain.model.mlp import MLP
    from mlptrain.model.process import Machine
    from mlptrain.training.engine import Engine


@dataclass(frozen=True)
class Assembly:
    """The parts of one run, ready for its first step.

    Attributes:
        config: what they were made from.
        machine: what they compute on.
        dataset: the three splits, images uint8 (n, side, side, 3).
        mlp: the net with fresh weights, as network and as classifier.
        engine: the net with its optimizer on the training split; `engine.train_steps` takes the
            gradients.
    """

    config: Config
    machine: Machine
    dataset: Dataset
    mlp: MLP
    engine: Engine


def assemble(
    config: Config, say: Callable[[str], None] = lambda line: None, dataset: Dataset | None = None
) -> Assembly:
    """Load the data, build the net and its optimizer, and put an engine on them.

    Args:
        config: the checked config.
        say: receives one line for each thing worth telling, such as a download.
        dataset: the data of the config, where they have been loaded already.

    Raises:
        ConfigError: the device that the config asks for is missing.
        DataError: the images could not be found, fetched or verified.
    """
    from mlptrain.model.process import prepare

    machine = prepare(config.runtime)  # before anything else imports TensorFlow
    from mlptrain.data.scaling import pixel_statistics
    from mlptrain.model.mlp import build_mlp
    from mlptrain.model.optimizers import make_optimizer
    from mlptrain.training.engine import Engine

    is_emulated = not (machine.accelerator or computes_in_bfloat16())
    if config.runtime.precision == "mixed_bfloat16" and is_emulated:
        say(
            "this processor has no instructions for bfloat16, in which this recipe takes about "
            "three times as long: runtime.precision=float32 is faster here"
        )
    if dataset is None:
        dataset = config.data.load(say)
    standardize = config.data.scaling == "standardize"
    mlp = build_mlp(config, pixel_statistics(dataset.train.images) if standardize else None)
    averages = OPTIMIZERS[config.optimizer.name].averages
    if averages and (config.train.ema or config.schedule.name != "constant"):
        say(
            f"optimizer={config.optimizer.name} averages the weights in place of a schedule and of "
            "train.ema; its authors use schedule=constant schedule.warmup=0.05 train.ema=0"
        )
    optimizer = make_optimizer(config.optimizer, config.regularization.clip_norm, mlp.network)
    engine = Engine(config, mlp, optimizer, dataset.train, machine.threads)
    return Assembly(config, machine, dataset, mlp, engine)
