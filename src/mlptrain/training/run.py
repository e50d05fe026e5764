"""One run from its config to its finished folder."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlptrain.config.identity import config_hash
from mlptrain.config.recipe import recipe_line
from mlptrain.config.schema import Config
from mlptrain.config.validation import validate
from mlptrain.crash import reported_crashes
from mlptrain.errors import (
    FullDiskError,
    RunFolderError,
    TrainingError,
    is_full_disk,
    printable,
    reason_of,
)
from mlptrain.formatting import like_command, resume_command
from mlptrain.loggers import RunLogger
from mlptrain.machine import peak_memory, versions
from mlptrain.store import names
from mlptrain.store.heartbeat import alive, being_trained
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.training.interruption import Interrupted, Interruption
from mlptrain.training.logged_run import make_logger
from mlptrain.training.views.plain import StartFacts, View

if TYPE_CHECKING:
    from mlptrain.data.dataset import Dataset
    from mlptrain.finding import Finding
    from mlptrain.training.loop import EpochLoop


def finish_run(
    config: Config,
    folder: RunFolder,
    view: View,
    command: Sequence[str] = (),
    asked_to_stop: Callable[[], str | None] | None = None,
    dataset: Dataset | None = None,
    *,
    resume: bool = False,
) -> dict[str, Any]:
    """Start the run of a folder, resume it, or leave it as it is, as its status says.

    Args:
        config: of the run.
        folder: of the run; the caller holds its `CLAIM`.
        view: what the user sees.
        command: the command line, for the record of a run that starts.
        asked_to_stop: see `Interruption`.
        dataset: the data of the config, where they have been loaded already.
        resume: whether to resume a failed run too, from its last checkpoint.

    Returns:
        The content of `metrics.json`.

    Raises:
        MlptrainError: data, device or training failed; the folder says why.
        Interrupted: a signal came; the run can be resumed.
    """
    status = folder.status()
    if status == "finished":
        return folder.read_json(names.METRICS)
    record = RunRecord(folder)
    if resume := resume or status in ("running", "interrupted"):
        config.logger.check_ready()  # before the folder is changed
        record.resume()
    else:
        with folder.removed_if_disk_is_full():
            record.start(config, command)
    logger: RunLogger | None = None
    try:
        if resume:
            _check_unchanged(folder, config)
        logger = make_logger(config, record)
        with (
            reported_crashes(folder.file(names.RUN), folder.file(names.LOG)),
            Interruption(asked_to_stop) as interruption,
        ):
            return _train(config, record, view, interruption, logger, dataset, resume=resume)
    except (Interrupted, KeyboardInterrupt) as error:
        record.interrupt(str(error) or "SIGINT")
        view.message(f"to resume: {resume_command(folder.path)}")
        raise Interrupted(str(error) or "SIGINT") from None
    except OSError as error:
        raise _unwritable(record, error) from error
    except _NotResumableError as error:
        record.interrupt(f"not resumed: {error.received}")
        raise
    except BaseException as error:
        understood = _understood(error)
        with contextlib.suppress(OSError):  # the error itself is worth more than its record
            record.fail(understood)
            if isinstance(understood, TrainingError):
                view.findings(_findings_of(record), record.folder.path)
        raise understood from understood.__cause__
    finally:
        view.close()
        if logger is not None:
            logger.finish()


class _NotResumableError(RunFolderError):
    """The rest of the run would not belong to its beginning; the folder is unchanged."""


def _check_unchanged(folder: RunFolder, config: Config) -> None:
    """Refuse to resume with other data or libraries than the run started with."""
    facts = folder.read_json(names.RUN)
    began, data = (value if isinstance(value, dict) else {}
                   for value in (facts.get("versions"), facts.get("data")))  # fmt: skip
    now = versions()
    differing = [
        f"{package} {now[package]}, not {began[package]}"
        for package in ("tensorflow", "keras")
        if str(began.get(package, now[package])).split(".")[0] != now[package].split(".")[0]
    ]
    if data and data.get("checksum") != (checksum := config.data.checksum()):
        differing.append(
            f"images with checksum {checksum[:8]}, not {str(data.get('checksum'))[:8]}"
        )
    if differing:
        raise _NotResumableError(
            "the data and the major versions that the run started with",
            printable("; ".join(differing)),
            f"restore them, or start a new run: {like_command(folder.path)}",
        )


def _understood(error: BaseException) -> BaseException:
    """Return an error with a way out where memory ran out; any other error as it is."""
    if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
        return error
    explained = TrainingError(
        "enough memory for the model and its data",
        str(error).rpartition("}} ")[2].partition("\n")[0] or "MemoryError",
        "make the model or train.batch_size smaller, or free some memory; "
        "in a sweep, use fewer workers (hydra.launcher.n_jobs)",
    )
    explained.__cause__ = error
    return explained


def _unwritable(record: RunRecord, error: OSError) -> TrainingError:
    """Return what to tell the user of a full disk or a vanished folder."""
    path = record.folder.path
    if not record.folder.file(names.RUN).is_file():
        return TrainingError(
            "the run's folder to exist while it trains", f"{path} was removed", "train it again"
        )
    if is_full_disk(error):
        with contextlib.suppress(OSError):
            record.interrupt("no space left on the disk")
        return FullDiskError(reason_of(error), path, resume_command(path))
    with contextlib.suppress(OSError):
        record.fail(error)
    return TrainingError(
        f"permission to read and write files in {path}",
        f"{type(error).__name__}: {error}",
        f"see {names.LOG} there; mlptrain resume continues after the last epoch",
    )


def _train(
    config: Config,
    record: RunRecord,
    view: View,
    interruption: Interruption,
    logger: RunLogger | None,
    dataset: Dataset | None,
    *,
    resume: bool,
) -> dict[str, Any]:
    from mlptrain.model.process import prepare

    def say(text: str) -> None:
        record.log(text)
        view.message(text)

    prepare(config.runtime)  # imports TensorFlow, which takes seconds that are not this run's
    started = time.perf_counter()
    interruption.check()
    import keras
    import numpy as np

    from mlptrain.model.mlp import layer_table
    from mlptrain.training import checkpoint
    from mlptrain.training.assemble import assemble
    from mlptrain.training.instruments import LayerLog
    from mlptrain.training.loop import EpochLoop
    from mlptrain.training.results import write_results

    # Nothing draws from the global streams; seeded all the same, for whatever a library does.
    random.seed(config.seed)
    np.random.seed(config.seed)
    keras.backend.clear_session()

    folder = record.folder
    with interruption.at_once():
        assembly = assemble(config, say, dataset)
    machine, dataset, engine = assembly.machine, assembly.dataset, assembly.engine
    record.facts(
        {
            "name": dataset.name,
            "checksum": dataset.checksum,
            "sizes": dataset.sizes(),
            "guessing": dataset.guessing(),
        },
        asdict(machine),
    )
    state = checkpoint.load(folder, config_hash(config)) if resume else None
    network = assembly.mlp.network
    layer_log = LayerLog.make(config, assembly.mlp, dataset, folder)
    loop = EpochLoop(
        config, engine, dataset.validation, record, view, interruption, logger, layer_log
    )
    view.start(
        StartFacts(
            versions=versions(),
            accelerator=machine.accelerator or "",
            threads=machine.threads,
            data_source=f"{dataset.name} ({dataset.source})",
            split_sizes=dataset.sizes(),
            classes=dataset.class_summary(),
            layers=layer_table(network),
            parameters=network.count_params(),
            recipe=recipe_line(config),
            folder=folder.path,
            best_by=loop.best_by,
            losses_have_penalty=bool(config.regularization.l1 or config.regularization.l2),
            resumed_from_epoch=state.epoch if state else None,
        )
    )
    if logger is not None:
        logger.start(state.history if state else [])
    if state is not None:
        loop.resume(state)
    trained = loop.run()
    engine.free_training_memory()
    metrics = write_results(folder, config, engine, dataset, trained)
    trained_here = trained.history[state.epoch if state else 0 :]
    record.finish(_speed(loop, trained_here, started), trained.reason)
    checkpoint.remove(folder)
    record.remove_signs_of_life()
    view.finish(metrics, folder.contents(), folder.path, _findings_of(record))
    return metrics


def _findings_of(record: RunRecord) -> Sequence[Finding]:
    """Return what is remarkable about the run; a mistake in that must not make the run fail."""
    from mlptrain.findings import Facts, find
    from mlptrain.store.runs import read_run

    try:
        return find(Facts.of(read_run(record.folder.path)))
    except Exception as error:
        record.log(f"no findings: {type(error).__name__}: {error}")
        return []


def _speed(loop: EpochLoop, rows: Sequence[dict[str, Any]], started: float) -> dict[str, Any]:
    """Return how long this run took, for estimates; of a resumed run only the resumed part.

    `seconds_per_epoch` is the time of an epoch besides its steps (validation, checkpoint), and
    `seconds_per_run` that of a run besides its epochs (data, graph, results); starting the process
    and its imports count in neither.
    """
    step = loop.call_size.seconds_per_step
    if step is None or not rows:
        return {}
    typical = statistics.median(row["seconds"] for row in rows[1:] or rows)
    return {
        "seconds_per_step": step,
        "seconds_per_epoch": max(0.0, typical - step * loop.steps),
        "seconds_per_run": max(0.0, time.perf_counter() - started - typical * len(rows)),
        "epochs": len(loop.history),
        "peak_memory_mib": peak_memory() >> 20,
    }


def open_for_resume(path: Path) -> tuple[RunFolder, Config]:
    """Return a folder whose run can be resumed and its config, with its original thread count.

    Raises:
        RunFolderError: there is no run, it has finished, another process is training it, or its
            config cannot be read.
    """
    folder = RunFolder.open(path)
    facts = folder.read_json(names.RUN)
    if facts.get("status") == "finished":
        shutil.rmtree(folder.file(names.CHECKPOINT), ignore_errors=True)  # killed at its very end
        raise RunFolderError(
            "a run that has not finished",
            f"{path}, which has finished",
            f"train longer from its config: {like_command(path)} train.epochs=N",
        )
    if facts.get("status") not in ("running", "interrupted", "failed"):
        raise RunFolderError(
            "a run that is running, interrupted or failed",
            printable(facts.get("status"))[:80],
            "use a run folder that mlptrain wrote",
        )
    beat = folder.read_json(names.HEARTBEAT) if folder.file(names.HEARTBEAT).is_file() else {}
    is_ours = (beat.get("process"), beat.get("host")) == (os.getpid(), platform.node())
    if facts["status"] == "running" and alive(beat) and not is_ours:
        process = f"process {beat['process']} on host {printable(beat.get('host'))}"
        raise being_trained(path, process)
    config = config_to_resume(folder)
    _check_unchanged(folder, config)
    return folder, config


def config_to_resume(folder: RunFolder) -> Config:
    """Return the config of an earlier run, with the thread count that it started with."""
    facts = folder.read_json(names.RUN)
    config = facts.get("config", {})
    if started_on := facts.get("machine"):  # other threads could change the last bits
        config["runtime"] = {**config.get("runtime", {}), "threads": started_on["threads"]}
    return validate(config)
