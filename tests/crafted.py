"""Run folders made by hand: what a finished training would leave, without training."""

import copy
import csv
import json
import os
import platform
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash, recipe_hash
from mlptrain.data.mini import MINI_CHECKSUM
from mlptrain.datasets.cifar10 import CIFAR10_CLASSES
from mlptrain.history import column_keys

VERSIONS = {
    "python": "3.12.1",
    "tensorflow": "2.19.0",
    "keras": "3.13.2",
    "numpy": "2.1.0",
    "mlptrain": "0.1.0",
}
DATA = {
    "name": "cifar10_mini",
    "checksum": "ab" * 32,
    "sizes": {"train": 1_800, "validation": 200, "test": 500},
}
MINI = {**DATA, "checksum": MINI_CHECKSUM}
"""The facts of the real mini set, whose images a report may show."""
MACHINE = {"cpu": "a processor", "cores": 2, "threads": 2, "accelerator": None}
TINY = ("data=cifar10_mini", "model.hidden=[4]", "model.batch_norm=false")
"""The smallest useful net: 12,342 parameters."""


@cache
def composed(overrides):
    """Return the config of the overrides: its two hashes, and its plain data."""
    config = compose(["data=cifar10_mini", *overrides]).config
    return config_hash(config), recipe_hash(config), config.model_dump()


def facts(*overrides, **changes):
    """Return the content of a `run.json` with the config of the overrides."""
    identity, recipe, config = composed(overrides)
    known = {
        "schema_version": 1,
        "run_id": "a-run",
        "status": "finished",
        "reason": None,
        "config_hash": identity,
        "recipe_hash": recipe,
        "config": copy.deepcopy(config),
        "seed": config["seed"],
        "command": ["mlptrain", *overrides],
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:01:00+00:00",
        "versions": VERSIONS,
        "git": {"commit": "c0ffee", "dirty": False},
        "data": DATA,
        "machine": MACHINE,
        "speed": None,
        "resumed": [],
    }
    return {**known, **changes}


def metrics(val=0.5, test=0.5, train=0.6, **changes):
    """Return the content of a `metrics.json`."""
    known = {
        "train_accuracy": train,
        "train_loss": 1.0,
        "val_accuracy": val,
        "val_loss": 1.2,
        "test_accuracy": test,
        "test_loss": 1.3,
        "test_macro_f1": test,
        "parameters": 12_342,
        "best_epoch": 3,
        "epochs_run": 5,
        "seconds": 12.5,
    }
    return {**known, **changes}


def write_run(
    folder, *overrides, val=0.5, test=0.5, train=0.6, figures=None, alive=True, **changes
):
    """Write the folder of a run; keywords beyond the three accuracies change `run.json`.

    Args:
        folder: created together with its parents.
        overrides: of the config.
        figures: other content of `metrics.json`, which only a finished run has.
        alive: whether a run with the status running has a heartbeat, that of this process.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = facts(*overrides, **{"run_id": folder.name, **changes})
    write_json(folder, "run.json", content)
    if content["status"] == "finished":
        write_json(
            folder, "metrics.json", metrics(val, test, train) if figures is None else figures
        )
    if content["status"] == "running" and alive:
        write_json(
            folder,
            "heartbeat.json",
            {
                "process": os.getpid(),
                "host": platform.node(),
                "time": datetime.now(UTC).isoformat(),
            },
        )
    return folder


def write_sweep(folder, cells, study=None, commands=(("mlptrain",),), stages=()):
    """Write `sweep.json`; each cell is its hash, its slug, and the numbers of its commands."""
    content = {
        "schema_version": 1,
        "study": study,
        "threads": 1,
        "commands": commands,
        "cells": [
            {"hash": digest, "slug": slug, "overrides": [], "commands": numbers}
            for digest, slug, numbers in cells
        ],
        "stages": stages,
    }
    write_json(Path(folder), "sweep.json", content)


def write_json(folder, name, content):
    (folder / name).write_text(json.dumps(content))


def change_run(folder, change):
    """Call `change` with the content of the folder's `run.json`, and write it back."""
    content = json.loads((folder / "run.json").read_text())
    change(content)
    write_json(folder, "run.json", content)


def read_hash(folder):
    return json.loads((folder / "run.json").read_text())["config_hash"]


def write_csv(path, rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path.parent


def write_history(folder, epochs=3, last=0.5):
    """Write a `history.csv` whose two accuracies rise towards `last`; return the folder."""
    rows = [
        [epoch, 2 / epoch, last - 0.1 / epoch, 2.1, last - 0.1 / epoch, 0.001, 1.0]
        for epoch in range(1, epochs + 1)
    ]
    return write_csv(folder / "history.csv", [column_keys(), *rows])


def write_confusion(folder, matrix, names=CIFAR10_CLASSES):
    return write_csv(folder / "confusion_matrix.csv", [names, *matrix])


def write_predictions(folder, predicted, labels, split="test", is_old=True):
    """Write a `predictions.npz`; `predicted` is a class or ten probabilities for each image.

    A file of an earlier release holds no predicted classes.
    """
    if np.ndim(predicted) == 1:
        predicted = np.eye(10)[predicted]
    probabilities = np.asarray(predicted, np.float16)
    members = {f"{split}_probabilities": probabilities, f"{split}_labels": labels}
    if not is_old:
        members[f"{split}_predicted"] = probabilities.argmax(axis=1).astype(np.uint8)
    np.savez_compressed(folder / "predictions.npz", **members)


def in_both_headers(content, offset, value):
    """Set a field of each member's local and central header, which are 2 bytes apart."""
    for mark, further in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset + further : at + offset + further + len(value)] = value
            at = content.find(mark, at + 4)


def seeds(overrides, *values, test=0.5):
    """One configuration with a seed for each validation accuracy."""
    return [
        (f"{overrides} seed={seed}", {"val": value, "test": test})
        for seed, value in enumerate(values, start=1)
    ]
