"""Every run of a report: what it is, why it is in no comparison, where it was trained."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mlptrain.config.settings import flat
from mlptrain.errors import RunFolderError
from mlptrain.formatting import resume_command
from mlptrain.store import names
from mlptrain.store.reading import read_json
from mlptrain.store.runs import SPLITS, Run

LONGEST_TEXT = 8_000
"""Longer than a picture of 32 by 32 pixels in base64."""


def run_entry(run: Run, place: tuple[int, str] | None) -> dict[str, Any]:
    """Describe one run; `place` is its group and its configuration's label."""
    return {
        "run": run.path.name,
        "status": run.status,
        "group": place[0] if place else None,
        "configuration": place[1] if place else None,
        "seed": run.facts.seed,
        **{split: run.metrics.get(key) for split, key in SPLITS.items()},
        **{key: run.metrics.get(key) for key in ("best_epoch", "epochs_run", "seconds")},
        "started": run.facts.started,
        "config_hash": run.facts.config_hash,
        "notes": [*run.notes, *([run.facts.reason] if run.facts.reason else [])],
    }


def entry_not_compared(run: Run) -> dict[str, Any]:
    """Describe a run that is in no comparison: what it is, how far it got, what to do."""
    accuracies = [row["val_accuracy"] for row in run.history]
    reason, action = run.facts.reason, resume_command(run.path)
    seen = None
    match run.status:
        case "running":
            seen = _sign_of_life(run)
            reason, action = "not finished", "wait; if its process is gone: " + action
        case "stale":
            seen = _sign_of_life(run)
            reason = "its process is gone"
        case "failed":
            reason = reason or "no reason given"
        case "interrupted":
            reason = reason or "stopped from outside"
        case _ if "val_accuracy" in run.metrics:
            reason, action = "the same experiment as a later folder's: it counts once", ""
        case _:
            reason, action = "no validation accuracy to choose by", ""
    return {
        "run": run.path.name,
        "status": run.status,
        "seed": run.facts.seed,
        "reason": reason,
        "epochs": len(run.history),
        "of": scalar(run.settings.get("train.epochs")),
        "validation": accuracies[-1] if accuracies else run.metrics.get("val_accuracy"),
        "test": run.metrics.get("test_accuracy"),
        "seen": seen,
        "action": action,
    }


def _sign_of_life(run: Run) -> str | None:
    try:
        beat = read_json(run.path, names.HEARTBEAT)
        return datetime.fromisoformat(beat["time"]).isoformat(timespec="seconds")
    except (RunFolderError, ValueError, TypeError, KeyError):
        return None


def environment(runs: Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """Return the values of each property of code, machine and data, the most frequent first."""
    met: dict[str, Counter[str]] = {}
    for run in runs:
        git = run.facts.git or {}
        commit = f"{git.get('commit')}{' with uncommitted changes' if git.get('dirty') else ''}"
        facts = {
            **run.facts.versions,
            **({"git commit": commit} if git.get("commit") else {}),
            **{f"machine: {k}": v for k, v in flat(run.facts.machine or {}).items()},
            **{f"data: {k}": v for k, v in flat(run.facts.data or {}).items()},
        }
        for key, value in facts.items():
            if value is not None and len(met) < 100:
                met.setdefault(key, Counter())[str(value)[:LONGEST_TEXT]] += 1
    return {
        key: [{"value": value, "runs": count} for value, count in values.most_common(12)]
        for key, values in met.items()
    }


def scalar(value: Any) -> Any:
    """Return the value if JSON has a scalar for it, else its text."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
