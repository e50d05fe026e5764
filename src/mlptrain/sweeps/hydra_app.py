"""mlptrain as a Hydra application: `-m`, `--cfg`, `--info` and Hydra's other options."""

import contextlib
import io
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import require_one_value
from mlptrain.config.hydra_files import store_neutral_values
from mlptrain.config.location import CONF
from mlptrain.config.messages import hydra_error
from mlptrain.config.overrides import texts_of
from mlptrain.config.own_files import own_folder
from mlptrain.errors import ConfigError
from mlptrain.sweeps.config_loader import LayeredLoader

# Before it calls the sweeper, Hydra composes all overrides into one config. A grid does not need
# that config, and composing it would refuse correct overrides, such as a parameter of an optimizer
# that only the grid chooses. So Hydra receives its own overrides alone; the sweeper plugin, which
# runs in the same process, takes from here what trains the others.
_sweep: ContextVar[Callable[..., Any]] = ContextVar("sweep")


def run_hydra(line: CommandLine, train: Callable[..., Any] | None = None) -> None:
    """Let Hydra handle a command line with options of Hydra's.

    Args:
        line: the command line.
        train: what the sweeper plugin calls with Hydra's config and a function that makes the
            launcher; None for `launch`, which trains the grid.

    Raises:
        ConfigError: Hydra refused it.
        MlptrainError: a cell failed.
    """
    parser = get_args_parser()
    overrides = texts_of(line.hydra if line.is_sweep else require_one_value(line))
    arguments = parser.parse_args([*line.options, *overrides])
    version.setbase("1.3")
    store_neutral_values()
    search_path = create_config_search_path(str(CONF))
    if (folder := own_folder()) is not None:
        search_path.prepend("own files", folder.as_uri(), SearchPathQuery(provider="schema"))
    hydra = Hydra.create_main_hydra2("mlptrain", search_path)
    hydra.config_loader = LayeredLoader(search_path, line.base)
    token = _sweep.set(train or _launcher_of(line))
    try:
        if line.is_sweep:
            hydra.multirun("config", _no_task, [*overrides, "hydra.mode=MULTIRUN"])
        elif arguments.hydra_help:
            hydra.hydra_help("config", parser, arguments)
        else:
            hydra.compose_config("config", overrides, RunMode.RUN)  # or Hydra prints its errors
            if arguments.info is not None:
                hydra.show_info(arguments.info, "config", overrides)
            else:
                _print_config(
                    lambda: hydra.show_cfg(
                        "config", overrides, arguments.cfg, arguments.package, arguments.resolve
                    )
                )
    except (HydraException, OmegaConfBaseException) as error:
        raise hydra_error(error) from None
    finally:
        _sweep.reset(token)
        GlobalHydra.instance().clear()


def _no_task(composed: Any) -> None:
    """Do nothing: Hydra prints by itself, and the sweeper gives the launcher its own task."""


def _launcher_of(line: CommandLine) -> Callable[..., Any]:
    def train(*arguments: Any) -> Any:
        from mlptrain.sweeps.launching import launch

        return launch(line, *arguments)

    return train


def current_sweep() -> Callable[..., Any]:
    """Return what trains the sweep that Hydra is running; see `run_hydra`."""
    return _sweep.get()


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
