"""`mlptrain [train] KEY=VALUE…`: one run, or with `-m` a grid of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mlptrain.config.compose import compose, compose_like
from mlptrain.config.identity import config_hash
from mlptrain.config.overrides import check_spelling, normalise, split_flags
from mlptrain.errors import ConfigError
from mlptrain.runs import folder as names
from mlptrain.runs.folder import RunFolder
from mlptrain.runs.record import write_hydra

_MULTIRUN = {"-m", "--multirun"}


def train(words: Sequence[str], like: Path | None = None) -> None:
    """Train once, or hand the words to Hydra where they ask for something of Hydra's own.

    Raises:
        MlptrainError: the config is wrong, or the run failed.
    """
    flags, overrides = split_flags(words)
    overrides = normalise(overrides)
    if flags:
        if like is not None:
            raise ConfigError(
                "--like with overrides only",
                f"--like with {' '.join(flags)}",
                "leave one of the two out",
            )
        if not _MULTIRUN & set(flags):
            check_spelling(overrides)
        _hand_to_hydra([*flags, *overrides])
        return
    _refuse_grids(overrides)
    if like is None:
        composed = compose(overrides)
    else:
        base = RunFolder.open(like).read_json(names.RUN).get("config", {})
        composed = compose_like(base, overrides)
    config = composed.config
    output_root = Path(config.output_root)
    folder = RunFolder.create(output_root, config_hash(config))

    from mlptrain.training.run import start_run
    from mlptrain.training.view import make_view

    folder.point_latest(output_root)
    write_hydra(folder, config, composed.overrides, composed.hydra)
    start_run(config, folder, make_view(config.runtime.progress), ["mlptrain", *sys.argv[1:]])


def _refuse_grids(overrides: list[str]) -> None:
    for override in check_spelling(overrides):
        if override.is_sweep_override():
            raise ConfigError(
                f"one value for {override.key_or_group}",
                override.input_line,
                f"train the grid with -m: mlptrain -m {' '.join(overrides)}",
            )


def _hand_to_hydra(words: list[str]) -> None:
    from mlptrain.sweeps.hydra_app import run_hydra

    run_hydra(words)
