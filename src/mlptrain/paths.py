"""Paths as users type them."""

import os
import stat
from contextlib import suppress
from pathlib import Path


def existing_path(path: str) -> Path | None:
    """Return the absolute path of a file or folder, with `~` expanded; None if there is none."""
    for expand in (Path.expanduser, Path):  # a name may begin with ~
        with suppress(OSError, RuntimeError, ValueError):  # too long, ~someone, a null byte
            if (absolute := expand(Path(path)).absolute()).exists():
                return absolute
    return None


def nature(path: Path) -> str:
    """Return what a path is that is not what was expected, to follow "which"."""
    try:
        place = path.expanduser()
        if place.is_dir():
            return "is a folder" if any(place.iterdir()) else "is an empty folder"
        return "is a file" if place.exists() else "is missing"
    except (OSError, RuntimeError, ValueError):  # too long, ~someone, a null byte
        return "is not a path"


def check_regular(path: Path) -> os.stat_result:
    """Return what the system says of a file or folder.

    Raises:
        ValueError: it is a pipe or a device, which would be waited on for ever.
        OSError: there is none.
    """
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ValueError("a pipe, socket or device, not a regular file")
    return status
