"""`mlptrain [train] KEY=VALUE…`: one run, or with `-m` a grid of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mlptrain.commands.hydra_options import split_options
from mlptrain.config.compose import compose, compose_like
from mlptrain.config.identity import config_hash
from mlptrain.config.overrides import check_spelling, normalise
from mlptrain.errors import ConfigError
from mlptrain.runs import folder as names
from mlptrain.runs.folder import RunFolder
from mlptrain.runs.record import write_hydra
from mlptrain.sweeps.study import take_study
from mlptrain.sweeps.words import retries_failed, split_hydra, take_settings

_DECIMAL_COMMA = re.compile(r"=\d,\d+$")


def train(words: Sequence[str], like: Path | None = None) -> None:
    """Train once, or hand the words to Hydra where they ask for something of Hydra's own.

    Raises:
        MlptrainError: the config is wrong, or the run failed.
    """
    options, overrides = split_options(words)
    overrides = normalise(overrides)
    _refuse_other_folders(overrides)
    study, rest = take_study(overrides)
    settings, rest = take_settings(rest)
    if like is not None and (options or study is not None):
        asked = options or [f"study={study}"]
        raise ConfigError(
            "--like with overrides only",
            f"--like with {' '.join(asked)}",
            "leave one of the two out",
        )
    if study is not None and "--multirun" not in options:
        options = ["--multirun", *options]
    if options:
        if study is not None and "--cfg" in options:
            raise ConfigError(
                "--cfg for one config",
                f"study={study}, which has many",
                f"`mlptrain plan study={study}` lists its cells",
            )
        check_spelling(rest)
        _hand_to_hydra(options, rest, study, retries_failed(settings))
        return
    if settings:
        raise ConfigError(
            f"{settings[0]} with a sweep", f"{settings[0]} for one run", "add -m, or leave it out"
        )
    overrides = rest
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
    view = make_view(config.runtime.progress)
    view.message("importing TensorFlow")
    start_run(config, folder, view, ["mlptrain", *sys.argv[1:]])


def _refuse_other_folders(overrides: list[str]) -> None:
    for override in overrides:
        if override.startswith(("hydra.run.dir=", "hydra.sweep.dir=", "hydra.sweep.subdir=")):
            raise ConfigError(
                "the folders that mlptrain names",
                override,
                "choose where they stand with output_root=PATH",
            )


def _refuse_grids(overrides: list[str]) -> None:
    for override in check_spelling(overrides):
        if override.is_sweep_override():
            action = f"train the grid with -m: mlptrain -m {' '.join(overrides)}"
            if _DECIMAL_COMMA.search(override.input_line):
                point = override.input_line.replace(",", ".")
                action = f"did you mean {point}? For a grid: mlptrain -m {override.input_line}"
            raise ConfigError(f"one value for {override.key_or_group}", override.input_line, action)


def _hand_to_hydra(
    options: list[str], words: list[str], study: str | None, retry_failed: bool
) -> None:
    from mlptrain.sweeps.hydra_app import run_hydra
    from mlptrain.sweeps.request import Request, requested

    if "--multirun" not in options:
        run_hydra(options, words)
        return
    own, others = split_hydra(words)
    # As it is remembered: trying failed cells again asks for no other cells.
    command = ["mlptrain", *(word for word in sys.argv[1:] if not word.startswith("sweep."))]
    with requested(Request(others, study, retry_failed, command)):
        run_hydra(options, own)
