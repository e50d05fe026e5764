"""mlptrain as a Hydra application: `-m`, `--cfg`, `--info` and Hydra's other options."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from hydra import version
from hydra._internal.utils import _run_hydra, get_args_parser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import compose, store_neutral_values
from mlptrain.config.location import CONF
from mlptrain.config.messages import hydra_error
from mlptrain.config.overrides import texts_of
from mlptrain.errors import ConfigError

_FULL_ERROR = "HYDRA_FULL_ERROR"

# Before it calls the sweeper, Hydra composes all overrides into one config. A grid does not need
# that config, and composing it would refuse correct overrides, such as a parameter of an optimizer
# that only the grid chooses. So Hydra receives its own overrides alone; the sweeper plugin, which
# runs in the same process, takes the others from here.
_sweep: ContextVar[CommandLine] = ContextVar("sweep")


def run_hydra(line: CommandLine) -> None:
    """Let Hydra handle a command line with options of Hydra's.

    Raises:
        ConfigError: Hydra refused it.
        MlptrainError: a cell failed.
    """
    overrides = line.hydra if line.is_sweep else (*line.hydra, *line.overrides)
    parser = get_args_parser()
    arguments = parser.parse_args([*line.options, *texts_of(overrides)])
    version.setbase("1.3")

    def run() -> None:
        _run_hydra(
            args=arguments,
            args_parser=parser,
            task_function=_no_task,
            config_path=str(CONF),
            config_name="config",
        )

    store_neutral_values()
    token = _sweep.set(line)
    try:
        with _exceptions_from_hydra():
            if "--cfg" in line.options:
                _print_config(run)
            else:
                run()
    except (HydraException, OmegaConfBaseException) as error:
        # `compose` explains most of these errors better.
        compose([override for override in overrides if not override.is_sweep_override()])
        raise hydra_error(error) from None
    finally:
        _sweep.reset(token)


def _no_task(composed: Any) -> None:
    """Do nothing: Hydra prints by itself, and the sweeper gives the launcher its own task."""


def current_sweep() -> CommandLine:
    """Return the command line of the sweep that Hydra is running."""
    return _sweep.get()


@contextmanager
def _exceptions_from_hydra() -> Iterator[None]:
    """Make Hydra raise its exceptions; otherwise it prints them and exits with 1."""
    before = os.environ.get(_FULL_ERROR)
    os.environ[_FULL_ERROR] = "1"
    try:
        yield
    finally:
        del os.environ[_FULL_ERROR]
        if before is not None:
            os.environ[_FULL_ERROR] = before


def _print_config(run: Callable[[], Any]) -> None:
    """Run Hydra's `--cfg`, which exits with 1 and a bare line when --package names nothing."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            run()
    except SystemExit as end:
        if end.code:
            raise ConfigError(
                "--package with a part of the config",
                printed.getvalue().strip(),
                "`mlptrain --cfg job` shows every part",
            ) from None
        raise
