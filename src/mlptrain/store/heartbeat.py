"""Whether the process that writes a run is still there."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mlptrain.machine import process_exists

FRESH_SECONDS = 120.0
"""A heartbeat older than this, on another host, is taken for that of a dead process."""


def alive(beat: Mapping[str, Any]) -> bool:
    """Whether a heartbeat is that of a living process.

    It must be fresh; on this host the process must exist too, so that a killed one is known at
    once.

    Args:
        beat: the content of `heartbeat.json`; empty where there is none.
    """
    try:
        age = (datetime.now(UTC) - datetime.fromisoformat(str(beat["time"]))).total_seconds()
        process = int(beat["process"])
    except (KeyError, ValueError, TypeError, OverflowError):
        return False
    if age >= FRESH_SECONDS or process <= 0:
        return False
    return beat.get("host") != platform.node() or process_exists(process)
