"""What resume needs, written after every epoch: atomically, checked, with the one before it."""

import hashlib
import io
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mlptrain.errors import RunFolderError
from mlptrain.store.names import CHECKPOINT
from mlptrain.store.run_folder import RunFolder

_PARTS = ("weights", "optimizer", "best_weights", "average")


@dataclass(frozen=True)
class State:
    """Everything that the next epoch depends on, as of the end of `epoch`.

    Attributes:
        epoch: the last complete epoch, from 1.
        history: the rows of history.csv, exact.
        callbacks: state of each callback that is on, by name.
        weights: the network's, in Keras's order.
        optimizer: the optimizer's variables, in Keras's order.
        best_weights: of the best epoch, when the callbacks keep them; else empty.
        average: the moving average of the weights, where `train.ema` asks for one; else empty.
    """

    epoch: int
    history: list[dict[str, Any]]
    callbacks: dict[str, dict[str, Any]]
    weights: list[np.ndarray]
    optimizer: list[np.ndarray]
    best_weights: list[np.ndarray]
    average: list[np.ndarray] = field(default_factory=list)


def save(folder: RunFolder, state: State, config_hash: str) -> None:
    """Write a checkpoint; the arrays first, then the small file that vouches for them.

    The older ones are removed first, all but the newest: with the one being written, there are
    never more than two on the disk.
    """
    best_is_last = state.best_weights is state.weights  # then written once
    arrays = {
        f"{part}_{index}": array
        for part in _PARTS
        if not (best_is_last and part == "best_weights")
        for index, array in enumerate(getattr(state, part))
    }
    _make_room(folder, state.epoch)
    stem = f"{CHECKPOINT}/epoch-{state.epoch:05d}"
    digest = ""

    def write_arrays(stream: BinaryIO) -> None:
        nonlocal digest
        np.savez(stream, **arrays)
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]

    folder.write(f"{stem}.npz", write_arrays)
    facts = {
        "epoch": state.epoch,
        "arrays_sha256": digest,
        "config_hash": config_hash,
        "history": state.history,
        "callbacks": state.callbacks,
        "best_is_last": best_is_last,
    }
    folder.write_json(f"{stem}.json", {**facts, "sha256": _digest(facts)})


def load(folder: RunFolder, config_hash: str) -> State | None:
    """Return the newest intact checkpoint; None if there is none.

    Raises:
        RunFolderError: an intact checkpoint belongs to another config.
    """
    for record in _records(folder):
        try:
            facts = folder.read_json(f"{CHECKPOINT}/{record.name}")
            is_intact = facts.pop("sha256") == _digest(facts)
            content = record.with_suffix(".npz").read_bytes()
        except (RunFolderError, OSError, KeyError):
            continue
        if not is_intact or hashlib.sha256(content).hexdigest() != facts["arrays_sha256"]:
            continue
        if facts["config_hash"] != config_hash:
            raise RunFolderError(
                f"the checkpoint to belong to this run's config ({config_hash[:8]})",
                f"{record.name} of config {facts['config_hash'][:8]}",
                "restore config.yaml and run.json, or start a new run with --like",
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            parts = {part: _numbered(arrays, part) for part in _PARTS}
        if facts.get("best_is_last"):
            parts["best_weights"] = parts["weights"]
        return State(facts["epoch"], facts["history"], facts["callbacks"], **parts)
    return None


def remove(folder: RunFolder) -> None:
    """Remove the checkpoints of a finished run."""
    shutil.rmtree(folder.file(CHECKPOINT), ignore_errors=True)


def _make_room(folder: RunFolder, epoch: int) -> None:
    """Remove all but the newest before `epoch`: it was loaded or written, so it is intact.

    Leftovers of later epochs and half-written files of a killed process are removed too.
    """
    earlier = [record.stem for record in _records(folder) if _epoch(record) < epoch]
    for file in sorted(folder.file(CHECKPOINT).glob("*")):  # the small file before its arrays
        if file.stem not in earlier[:1]:
            file.unlink(missing_ok=True)


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _records(folder: RunFolder) -> list[Path]:
    """Return the small files, newest first."""
    return sorted(folder.file(CHECKPOINT).glob("epoch-*.json"), key=_epoch, reverse=True)


def _epoch(record: Path) -> int:
    digits = record.stem.removeprefix("epoch-")
    return int(digits) if digits.isdecimal() else 0


def _numbered(arrays: Any, part: str) -> list[np.ndarray]:
    count = sum(1 for name in arrays.files if name.rpartition("_")[0] == part)
    return [arrays[f"{part}_{index}"] for index in range(count)]
