"""Paths as users type them."""

from __future__ import annotations

from pathlib import Path


def existing_path(path: str) -> Path | None:
    """Return the absolute path of a file or folder, with `~` expanded; None if there is none."""
    try:
        absolute = Path(path).expanduser().absolute()
        return absolute if absolute.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long a name, ~someone, a null byte
        return None
