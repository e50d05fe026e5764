"""mlptrain as a Hydra application: `-m`, `--cfg`, `--info` and what else Hydra offers."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from mlptrain.config.compose import compose
from mlptrain.config.location import CONF
from mlptrain.config.overrides import check_spelling
from mlptrain.config.refusals import hydra_refusal
from mlptrain.errors import ConfigError
from mlptrain.sweeps.worker import SWEEP_PROCESS, train_cell


def run_hydra(options: Sequence[str], overrides: Sequence[str]) -> None:
    """Let Hydra act on a command line with its own options in it.

    Raises:
        ConfigError: Hydra refused it.
        MlptrainError: a cell failed.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us instead of Hydra's exit code 1
    os.environ[SWEEP_PROCESS] = str(os.getpid())
    sys.argv = ["mlptrain", *options, *overrides]
    act = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(train_cell)
    try:
        if "--cfg" in options:
            _print_config(act)
        else:
            act()
    except (HydraException, OmegaConfBaseException) as error:
        fixed = [o.input_line for o in check_spelling(overrides) if not o.is_sweep_override()]
        compose(fixed)  # where it can say what is wrong, it says it better
        raise hydra_refusal(error) from None


def _print_config(act: Callable[[], Any]) -> None:
    """Hydra's `--cfg`, which exits with 1 and a bare line when --package names nothing."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            act()
    except SystemExit as end:
        if end.code:
            raise ConfigError(
                "--package with a part of the config",
                said.getvalue().strip(),
                "`mlptrain --cfg job` shows every part",
            ) from None
        raise
