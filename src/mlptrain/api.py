"""mlptrain from Python: a config, a run, a table of runs, a model. Also for notebooks.

    from mlptrain import compose, load_model, load_runs, sweep, train

    config = compose(["data=cifar10_mini", "train.epochs=3"])
    run = train(config)
    print(run.metrics["test_accuracy"], run.history)
    runs = sweep({"activation": ["relu", "tanh"], "seed": [1, 2]}, like=run.folder)
    table = load_runs("outputs")
    model = load_model(run.folder)

What each needs is imported when it is called, so that `import mlptrain` stays quick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import pandas

    from mlptrain.config.command_line import CommandLine
    from mlptrain.config.schema import Config


class Trained(NamedTuple):
    """A finished run; a notebook shows its learning curves.

    Attributes:
        folder: absolute path of the run's folder; `load_model` and every command take it.
        metrics: the content of its `metrics.json`: accuracies as fractions, losses, `best_epoch`.
    """

    folder: Path
    metrics: dict[str, Any]

    @property
    def history(self) -> list[dict[str, float | None]]:
        """One row for each epoch, with the columns of `history.csv`."""
        from mlptrain.store.runs import read_history

        return read_history(self.folder)

    def _repr_png_(self) -> bytes | None:
        """Return the picture that a notebook shows; None where the run drew none."""
        from mlptrain.store import names

        file = self.folder / names.LEARNING_CURVES
        return file.read_bytes() if file.is_file() else None


def compose(
    overrides: Sequence[str] | Mapping[str, Any] = (), like: str | PathLike[str] | None = None
) -> Config:
    """Compose the checked config of one run from the same overrides as on the command line.

    Args:
        overrides: such as `["optimizer=adamw", "train.epochs=10"]`, or by key, such as
            `{"data": "folder", "data.path": path}`, which takes any path and needs no quotes;
            without any it is the study's final recipe on full CIFAR-10.
        like: an earlier run, or a YAML file with a whole config, to start from instead.

    Returns:
        A frozen pydantic model: `config.train.epochs`, `config.model_dump()`.

    Raises:
        ConfigError: an override, a value or a combination is wrong, or they ask for many runs.
    """
    from mlptrain.config.compose import compose_one

    return compose_one(_command_line(overrides, like)).config


def sweep(
    overrides: Sequence[str] | Mapping[str, Any], like: str | PathLike[str] | None = None
) -> list[Trained]:
    """Train a grid, several runs at a time, as `mlptrain -m` does; finished runs are not repeated.

    With `runtime.progress=none` nothing is printed.

    Args:
        overrides: such as `["activation=relu,tanh", "seed=1,2"]`; by key, a list is swept:
            `{"activation": ["relu", "tanh"], "model.hidden": [[512, 256], [64]]}`.
        like: as for `compose`.

    Returns:
        The finished runs, in the order of the grid.

    Raises:
        ConfigError: a run of the grid is wrong; nothing was started.
        MlptrainError: a run failed; the others are finished.
        Interrupted: Ctrl-C, or the notebook's stop button; the same call resumes.
    """
    import io
    from contextlib import nullcontext, redirect_stdout
    from pathlib import Path

    from mlptrain.sweeps.cells import plan_sweep
    from mlptrain.sweeps.hydra_app import run_hydra
    from mlptrain.sweeps.ledger import read_ledger

    line = _command_line(overrides, like, "--multirun")
    plan = plan_sweep(line.overrides, line.study, line.base)
    config = plan.cells[0].config
    with redirect_stdout(io.StringIO()) if config.runtime.progress == "none" else nullcontext():
        run_hydra(line)
    output_root = Path(config.output_root).expanduser().resolve()
    entries = read_ledger(output_root / plan.name, output_root, plan.cells)
    return [Trained(entry.folder, entry.metrics) for entry in entries]


def _command_line(
    overrides: Sequence[str] | Mapping[str, Any], like: str | PathLike[str] | None, *options: str
) -> CommandLine:
    """Return overrides of Python as the command line that says the same."""
    from pathlib import Path

    from mlptrain.config.command_line import CommandLine
    from mlptrain.config.spelling import hydra_value
    from mlptrain.errors import ConfigError
    from mlptrain.store.base import read_base

    if isinstance(overrides, str):  # its characters would be taken for overrides
        raise ConfigError("a list of overrides", repr(overrides), f"compose([{overrides!r}])")
    if isinstance(overrides, Mapping):
        overrides = [
            f"{key}={','.join(map(hydra_value, value))}"
            if options and isinstance(value, list | tuple)
            else f"{key}={hydra_value(value)}"
            for key, value in overrides.items()
        ]
    earlier = [] if like is None else ["--like", str(like)]
    base = None if like is None else read_base(Path(like))
    text = ["mlptrain", *(["-m"] if options else []), *earlier, *overrides]
    return CommandLine.parse([*options, *overrides], text, base)


def train(config: Config) -> Trained:
    """Train in a new run folder below `config.output_root`, as the command line does.

    `runtime.progress` says how progress is shown; `auto` gives a notebook one line per epoch.
    `mlptrain resume RUN` resumes an interrupted run. The first run of a process sets the number of
    threads for all its runs; `run.json` records it.

    Args:
        config: from `compose`; it is checked again, since pydantic does not check its copies.

    Raises:
        ConfigError: the config is wrong; nothing was written.
        MlptrainError: the run failed; its folder says why.
        Interrupted: Ctrl-C, or the notebook's stop button; the run can be resumed.
    """
    from mlptrain.config.compose import Composed
    from mlptrain.config.layers import compose_layers
    from mlptrain.config.validation import validate
    from mlptrain.training.new_run import train_once

    checked = validate(config.model_dump())
    # Nothing was typed: `.hydra/` gets Hydra's defaults.
    composed = Composed(checked, [], compose_layers([]))
    return Trained(*train_once(composed, ["mlptrain.train(config)"]))


def load_model(path: str | PathLike[str]) -> keras.Model:
    """Load the trained classifier of a run: raw uint8 (n, 32, 32, 3) → probabilities (n, 10).

    The folder may be untrusted: the model is rebuilt from the checked config, only arrays are
    taken from `model.keras`, and nothing in it is executed.

    Args:
        path: a run's folder, such as `outputs/latest`.

    Raises:
        RunFolderError: there is no run, or its model is missing or does not fit its config.
        ConfigError: its config is not valid in this version.
    """
    from pathlib import Path

    from mlptrain.config.validation import validate
    from mlptrain.model.process import prepare_to_read
    from mlptrain.store.run_folder import RunFolder
    from mlptrain.store.runs import read_run

    run = read_run(RunFolder.open(Path(path)).path)
    config = validate(run.facts.config)
    prepare_to_read(config.runtime)
    from mlptrain.model.saved import load_classifier

    return load_classifier(run.path, config)


def load_runs(*paths: str | PathLike[str]) -> pandas.DataFrame:
    """Load every run at or below the paths as a row: settings, metrics, seed, status, path.

    Args:
        *paths: runs, sweeps or output roots (default `outputs`).

    Returns:
        Settings have dotted keys as on the command line, metrics the keys of `metrics.json`.
        Folders that cannot be read are left out, with a warning each.

    Raises:
        RunFolderError: a path holds no run.
        ImportError: pandas is not installed (`pip install 'mlptrain[pandas]'`).
    """
    import warnings
    from pathlib import Path

    import pandas

    from mlptrain.reports.runs_table import record
    from mlptrain.store.runs import find_runs

    runs = find_runs([Path(path) for path in paths] or [Path("outputs")])
    for folder, reason in runs.skipped:
        warnings.warn(f"skipped {folder}: {reason}", stacklevel=2)
    return pandas.DataFrame([record(run) for run in runs.runs])
