"""Runs as a flat table: one record each, filtered, sorted, and only with columns that vary."""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Any

import yaml

from mlptrain.config.settings import varying
from mlptrain.config.spelling import did_you_mean
from mlptrain.errors import UsageError, printable
from mlptrain.store.runs import Run

Record = dict[str, Any]

METRICS = ("val_accuracy", "test_accuracy", "train_accuracy", "best_epoch", "epochs_run", "seconds")
"""Metrics of a table that asks for no columns, the one to choose by first."""

_CONDITION = re.compile(r"(?P<key>[\w.]+)\s*(?P<sign><=|>=|!=|=|<|>)\s*(?P<value>.*)", re.DOTALL)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, ">": gt, "<=": le, ">=": ge}
_COMMA = re.compile(r",(?![^\[]*\])")  # not those of a list


def record(run: Run) -> Record:
    """Return one run as a record: what it is, its settings with dotted keys, its metrics."""
    facts = {
        "run": run.path.name,
        "path": str(run.path),
        "status": run.status,
        "reason": run.facts.reason,
        "progress": run.progress,
        "started": run.facts.started,
        "config_hash": run.facts.config_hash,
        "recipe_hash": run.facts.recipe_hash,
        "seed": run.facts.seed,
    }
    # The config and metrics of an untrusted run must not replace facts about it.
    settings = {key: value for key, value in run.settings.items() if key not in facts}
    metrics = {"epochs_run": run.epochs_run, **run.metrics}
    return facts | settings | {key: v for key, v in metrics.items() if key not in facts}


def select(records: Sequence[Record], conditions: Sequence[str]) -> list[Record]:
    """Return the records that meet every condition: `optimizer=adam,sgd`, `val_accuracy>0.5`.

    Numbers are compared as numbers; `=` takes several values, any of which will do.

    Raises:
        UsageError: a condition has another form, or names a key that no run has.
    """
    selected = list(records)
    for condition in conditions:
        match = _CONDITION.fullmatch(condition.strip())
        if match is None:
            raise UsageError(
                "--where KEY=VALUE, or with one of != < > <= >=",
                f"--where {condition}",
                "write --where optimizer=rmsprop, for example",
            )
        key, sign = known_key(match["key"], records), match["sign"]
        values = [text.strip() for text in _COMMA.split(match["value"])]
        if sign in ("=", "!="):
            selected = [
                r
                for r in selected
                if any(is_what_was_typed(r.get(key), v) for v in values) == (sign == "=")
            ]
        elif len(values) > 1:
            raise UsageError(f"one value after {sign}", condition, f"write {key}{sign}{values[0]}")
        else:
            limit = _number(values[0])
            selected = [r for r in selected if _meets(_SIGNS[sign], r.get(key), limit)]
    return selected


def is_what_was_typed(value: Any, text: str) -> bool:
    """Return whether a setting equals the text: 1e-3 is 0.001, [8, 4] is [8,4], None is null."""
    if str(value) == text:
        return True
    if value is None:
        return text.lower() in ("null", "none")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(text) == value
    try:
        return bool(yaml.safe_load(text) == value)
    except yaml.YAMLError:
        return False


def sort(records: Sequence[Record], key: str | None) -> list[Record]:
    """Sort by a key: accuracies and F1 highest first, all else lowest first; missing values last.

    Args:
        records: of `record`.
        key: None keeps the order; `-key` reverses the order.
    """
    if key is None:
        return list(records)
    is_reversed = key.startswith("-")
    key = known_key(key.lstrip("-"), records)
    have = [r for r in records if r.get(key) is not None]
    without = [r for r in records if r.get(key) is None]
    falling = ("accuracy" in key or key.endswith("macro_f1")) != is_reversed
    numbers = all(isinstance(r[key], int | float) for r in have)
    have.sort(key=lambda r: r[key] if numbers else str(r[key]), reverse=falling)
    return have + without


def columns(records: Sequence[Record], runs: Sequence[Run], chosen: Sequence[str]) -> list[str]:
    """Return the chosen columns, else those that say something about these runs.

    These are the name, the status and the progress where a run is not finished or stopped early,
    the settings that vary, and the metrics.
    """
    if chosen:
        return [known_key(key, records) for key in chosen]
    default, metrics = ["run"], list(METRICS)
    if any(r["status"] != "finished" for r in records):
        default.append("status")
    if any(r["status"] != "finished" or r["reason"] for r in records):
        default.append("progress")
        metrics.remove("epochs_run")  # the progress says it too
    if len({r["seed"] for r in records}) > 1:
        default.append("seed")
    default += varying([run.settings for run in runs])
    return default + [key for key in metrics if any(r.get(key) is not None for r in records)]


def newest(records: Sequence[Record], number: int) -> list[Record]:
    """Return the runs that were started last, in the order of the records."""
    started = sorted((str(r["started"] or "") for r in records), reverse=True)
    limit = started[min(number, len(started)) - 1] if started else ""
    return [r for r in records if str(r["started"] or "") >= limit][-number:]


def known_key(key: str, records: Sequence[Mapping[str, Any]]) -> str:
    """Return the key, with `init` spelled out.

    Raises:
        UsageError: no run has it; names the closest.
    """
    key = re.sub(r"^init(?=\.|$)", "initializer", key)
    if records and not any(key in r for r in records):
        known = [printable(k) for k in dict.fromkeys(k for r in records for k in r)]
        similar = [k for k in known if key and key in k] or known[:12]
        otherwise = f"choose one of {', '.join(similar)}; `mlptrain runs --format json` shows all"
        raise UsageError(
            "a setting or metric that a run has", key, did_you_mean(key, known, otherwise=otherwise)
        )
    return key


def shown(value: Any) -> str:
    """Format a value for a table: floats with four significant digits, whole ones with all
    digits, nothing for None.
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _meets(compare: Callable[[Any, Any], bool], value: Any, limit: Any) -> bool:
    try:
        return value is not None and compare(value, limit)
    except TypeError:
        return False
