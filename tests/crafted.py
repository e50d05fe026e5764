"""Run folders made by hand: what a finished training would leave, without training."""

import copy
import json
import os
import platform
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash, recipe_hash

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
MACHINE = {"cpu": "a processor", "cores": 2, "threads": 2, "accelerator": None}
TINY = ("data=cifar10_mini", "model.hidden=[4]", "model.batch_norm=false")
"""The smallest net there is to speak of: 12,342 parameters."""


@cache
def composed(words):
    """The config of the words with its two hashes and as plain data."""
    config = compose(["data=cifar10_mini", *words]).config
    return config_hash(config), recipe_hash(config), config.model_dump()


def facts(*words, **changes):
    """The content of a `run.json` with the config of the words."""
    own, recipe, config = composed(words)
    known = {
        "schema_version": 1,
        "run_id": "a-run",
        "status": "finished",
        "reason": None,
        "config_hash": own,
        "recipe_hash": recipe,
        "config": copy.deepcopy(config),
        "seed": config["seed"],
        "command": ["mlptrain", *words],
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
    """The content of a `metrics.json`."""
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


def write_run(folder, *words, val=0.5, test=0.5, train=0.6, figures=None, alive=True, **changes):
    """A run's folder; keywords beyond the three accuracies change `run.json`.

    Args:
        folder: made, with its parents.
        words: overrides of the config.
        figures: other content of `metrics.json`, which only a finished run has.
        alive: whether a run that says running has a heartbeat, ours.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    told = facts(*words, **{"run_id": folder.name, **changes})
    (folder / "run.json").write_text(json.dumps(told))
    if told["status"] == "finished":
        known = metrics(val, test, train) if figures is None else figures
        (folder / "metrics.json").write_text(json.dumps(known))
    if told["status"] == "running" and alive:
        beat = {
            "process": os.getpid(),
            "host": platform.node(),
            "time": datetime.now(UTC).isoformat(),
        }
        (folder / "heartbeat.json").write_text(json.dumps(beat))
    return folder


def write_sweep(folder, cells, study=None, commands=(("mlptrain",),), stages=()):
    """A sweep's file; each cell is its hash, its slug, and the numbers of its commands."""
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
    (Path(folder) / "sweep.json").write_text(json.dumps(content))


def in_both_headers(content, offset, value):
    """Set a field of each member's local and central header, which stand 2 bytes apart."""
    for mark, further in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset + further : at + offset + further + len(value)] = value
            at = content.find(mark, at + 4)
