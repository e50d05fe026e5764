"""`--baseline 'KEY=VALUE,…'`: the configuration that others are compared with."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlptrain.errors import UsageError
from mlptrain.reports.runs_table import is_what_was_typed, known_key
from mlptrain.store.runs import Run

# Only a comma before the next key separates: `model.hidden=[512,256],optimizer=adam`.
_COMMA = re.compile(r",(?=\s*[\w.]+\s*=)")


def baseline_of(text: str, runs: Sequence[Run]) -> Callable[[Mapping[str, Any]], bool]:
    """Return the function that says whether settings are the baseline's.

    Args:
        text: as it was typed.
        runs: those to compare; one of them must match.

    Raises:
        UsageError: not of that form, a key that no run has, or no run that matches.
    """
    conditions: dict[str, str] = {}
    for condition in _COMMA.split(text):
        key, equals, value = condition.partition("=")
        if not equals or not key.strip():
            raise UsageError(
                "--baseline 'KEY=VALUE,…'",
                f"--baseline {text}",
                "write --baseline 'optimizer=adam', for example",
            )
        conditions[known_key(key.strip(), [run.settings for run in runs])] = value.strip()

    def matches(settings: Mapping[str, Any]) -> bool:
        return all(key in settings and is_what_was_typed(settings[key], value)
                   for key, value in conditions.items())  # fmt: skip

    if not any(matches(run.settings) for run in runs):
        key = next(iter(conditions))
        values = dict.fromkeys(str(run.settings.get(key)) for run in runs)
        raise UsageError(
            "--baseline to describe one of the finished configurations",
            text,
            f"{key} is one of {', '.join(list(values)[:8])}; `mlptrain runs` lists all runs",
        )
    return matches
