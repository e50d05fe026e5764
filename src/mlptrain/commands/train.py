"""`mlptrain [train] KEY=VALUE…`: one run, or with `-m` a grid of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import compose_one
from mlptrain.errors import ConfigError
from mlptrain.store import run_folder as names
from mlptrain.store.run_folder import RunFolder
from mlptrain.training.new_run import train_once


def train(arguments: Sequence[str], like: Path | None, text: Sequence[str]) -> None:
    """Train once, or let Hydra act where the arguments have options of Hydra's.

    Raises:
        MlptrainError: the config is wrong, or the run failed.
    """
    line = CommandLine.parse(arguments, text)
    if like is not None and line.options:
        other = f"study={line.study}" if line.study else " ".join(line.options)
        raise ConfigError(
            "--like with overrides only", f"--like with {other}", "leave one of the two out"
        )
    if line.options:
        from mlptrain.sweeps.hydra_app import run_hydra

        run_hydra(line)
        return
    earlier = None if like is None else RunFolder.open(like).read_json(names.RUN)
    train_once(compose_one(line, earlier), line.text)
