"""One run from its config to its finished folder."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlptrain.config.identity import config_hash
from mlptrain.config.recipe import recipe_line
from mlptrain.config.schema import Config
from mlptrain.data.dataset import load_dataset
from mlptrain.errors import RunFolderError
from mlptrain.runs import folder as names
from mlptrain.runs.environment import versions
from mlptrain.runs.folder import RunFolder
from mlptrain.runs.record import RunRecord
from mlptrain.training.interruption import Interrupted, Interruption
from mlptrain.training.view import StartFacts, View


def start_run(
    config: Config,
    folder: RunFolder,
    view: View,
    command: Sequence[str],
    parent: int | None = None,
) -> dict[str, Any]:
    """Train `config` in a new folder.

    Args:
        config: the checked config.
        folder: where everything goes.
        view: what the user sees.
        command: the command line, for the record.
        parent: see `Interruption`.

    Returns:
        The content of `metrics.json`.

    Raises:
        MlptrainError: data, device or training failed; the folder says why.
        Interrupted: a signal came; the folder can be resumed.
    """
    record = RunRecord(folder)
    record.start(config, command)
    return _recorded(config, record, view, parent, resume=False)


def resume_run(
    config: Config, folder: RunFolder, view: View, parent: int | None = None
) -> dict[str, Any]:
    """Go on with an interrupted run from its last checkpoint; all else as `start_run`."""
    record = RunRecord(folder)
    record.resume()
    return _recorded(config, record, view, parent, resume=True)


def _recorded(
    config: Config, record: RunRecord, view: View, parent: int | None, *, resume: bool
) -> dict[str, Any]:
    """Train, and make sure that the folder tells how it ended."""
    try:
        with Interruption(parent) as interruption:
            metrics = _train(config, record, view, interruption, resume=resume)
    except (Interrupted, KeyboardInterrupt) as error:
        record.interrupt(str(error) or "SIGINT")
        view.message(f"to go on: mlptrain resume {record.folder.path}")
        raise Interrupted(str(error) or "SIGINT") from None
    except BaseException as error:
        record.fail(error)
        raise
    finally:
        view.close()
    return metrics


def _train(
    config: Config, record: RunRecord, view: View, interruption: Interruption, *, resume: bool
) -> dict[str, Any]:
    from mlptrain.training.process import prepare

    def say(text: str) -> None:
        record.log(text)
        view.message(text)

    machine = prepare(config.runtime)
    interruption.check()
    import keras
    import numpy as np

    from mlptrain.data.scaling import pixel_statistics
    from mlptrain.model.keras_objects import optimizer
    from mlptrain.model.mlp import build_mlp, layer_table
    from mlptrain.training import checkpoint
    from mlptrain.training.engine import Engine
    from mlptrain.training.loop import EpochLoop
    from mlptrain.training.results import write_results
    from mlptrain.training.tensorboard import EpochLogger

    # Nothing draws from the global streams; seeded all the same, for whatever a library does.
    random.seed(config.seed)
    np.random.seed(config.seed)
    keras.backend.clear_session()

    folder = record.folder
    dataset = load_dataset(config.data, say)
    interruption.check()
    record.facts(
        {"name": dataset.name, "checksum": dataset.checksum, "sizes": dataset.sizes()},
        asdict(machine),
    )
    state = checkpoint.load(folder, config_hash(config)) if resume else None
    standardize = config.data.scaling == "standardize"
    mlp = build_mlp(config, pixel_statistics(dataset.train.images) if standardize else None)
    view.start(
        StartFacts(
            versions=versions(),
            accelerator=machine.accelerator or f"none: CPU with {machine.threads} threads",
            threads=machine.threads,
            data_source=f"{dataset.name} ({dataset.source})",
            split_sizes=dataset.sizes(),
            layers=layer_table(mlp.network),
            parameters=mlp.network.count_params(),
            recipe=recipe_line(config),
            folder=folder.path,
            resumed_from_epoch=state.epoch if state else None,
        )
    )
    engine = Engine(
        config,
        mlp,
        optimizer(config.optimizer, config.regularization.clip_norm),
        dataset.train,
        machine.threads,
    )
    wants_events = config.logger.name == "tensorboard" and config.artifacts == "full"
    logger = EpochLogger(folder.file(names.TENSORBOARD)) if wants_events else None
    loop = EpochLoop(config, engine, dataset.validation, record, view, interruption, logger)
    if state is not None:
        loop.resume(state)
    trained = loop.run()
    engine.finish_training()
    if logger is not None:
        logger.close()
    metrics = write_results(folder, config, engine, dataset, trained)
    record.finish()
    checkpoint.remove(folder)
    view.finish(metrics, folder.contents(), folder.path)
    return metrics


def open_for_resume(path: Path) -> tuple[RunFolder, Config]:
    """A folder whose run can go on, and its config, with the threads that it started with.

    Raises:
        RunFolderError: there is no run, it is finished, or its config cannot be read.
    """
    from mlptrain.config.validation import validate

    folder = RunFolder.open(path)
    facts = folder.read_json(names.RUN)
    if facts.get("status") == "finished":
        raise RunFolderError(
            "a run that is not finished",
            f"{path}, which is",
            f"train longer from its config: mlptrain --like {path} train.epochs=…",
        )
    config = facts.get("config", {})
    if started_on := facts.get("machine"):  # other threads could change the last bits
        config["runtime"] = {**config.get("runtime", {}), "threads": started_on["threads"]}
    return folder, validate(config)
