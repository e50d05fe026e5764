"""`mlptrain [train] KEY=VALUE…`: one run, or with `-m` a grid of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from mlptrain.commands.hydra_options import check_alone, refuse_hydras, split_options
from mlptrain.config.checks import check_installed
from mlptrain.config.compose import Composed, compose, compose_like
from mlptrain.config.identity import config_hash
from mlptrain.config.overrides import check_spelling, normalise
from mlptrain.errors import ConfigError
from mlptrain.store import run_folder as names
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import write_hydra
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
    refuse_hydras(overrides)
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
        check_alone(options)
        check_spelling(rest)
        _hand_to_hydra(options, rest, study, retries_failed(settings))
        return
    if settings:
        raise ConfigError(
            f"{settings[0]} with a sweep", f"{settings[0]} for one run", "add -m, or leave it out"
        )
    train_once(compose_one(rest, like), ["mlptrain", *sys.argv[1:]])


def compose_one(words: Sequence[str], like: Path | None = None) -> Composed:
    """The config of one run.

    Args:
        words: overrides.
        like: a run whose config they are laid on, instead of the groups' defaults.

    Raises:
        ConfigError: anything is wrong with the words or the config, or they ask for many runs.
        RunFolderError: `like` is no run.
    """
    study, overrides = take_study(normalise(words))
    if study is not None:
        raise ConfigError(
            "overrides of one run",
            f"study={study}, which has many",
            f"`mlptrain study={study}` trains them",
        )
    refuse_hydras(overrides)
    _refuse_grids(overrides)
    if like is None:
        return compose(overrides)
    base = RunFolder.open(like).read_json(names.RUN).get("config", {})
    return compose_like(base, overrides)


def train_once(composed: Composed, command: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Train a checked config in a folder of its own below its `output_root`.

    Args:
        composed: the config, and what `.hydra/` tells of how it came about.
        command: what was typed, for the record.

    Returns:
        The run's folder, and the content of its `metrics.json`.

    Raises:
        MlptrainError: the folder cannot be made, or the run failed.
        Interrupted: a signal came; the folder can be resumed.
    """
    config = composed.config
    check_installed(config.logger)
    output_root = Path(config.output_root)
    folder = RunFolder.create(output_root, config_hash(config))

    from mlptrain.training.run import start_run
    from mlptrain.training.views.choose import make_view

    folder.point_latest(output_root)
    write_hydra(folder, config, composed.overrides, composed.hydra)
    view = make_view(config.runtime.progress)
    view.message("importing TensorFlow")
    with FileLock(folder.file(names.CLAIM)):  # a process that sleeps holds it too: no other resumes
        return folder.path, start_run(config, folder, view, command)


def _refuse_grids(overrides: list[str]) -> None:
    for override in check_spelling(overrides):
        if override.is_sweep_override():
            action = f"train the grid with -m: mlptrain -m {' '.join(overrides)}"
            point = override.input_line.replace(",", ".")
            if _DECIMAL_COMMA.search(override.input_line) and _composes(point):
                action = f"did you mean {point}? For a grid: mlptrain -m {override.input_line}"
            raise ConfigError(f"one value for {override.key_or_group}", override.input_line, action)


def _composes(word: str) -> bool:
    try:
        compose([word])
    except ConfigError:
        return False
    return True


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
