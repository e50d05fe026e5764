"""A folder with files of the user's own, such as experiments and studies, beside those of `conf/`.

It is named by an environment variable, so that the processes and jobs of a sweep know it too.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from mlptrain.errors import ConfigError
from mlptrain.paths import nature

CONFIG_DIR = "MLPTRAIN_CONFIG_DIR"
"""Environment variable that `--config-dir DIR` sets."""


def own_folder() -> Path | None:
    """Return the absolute path of the folder; None where none is named."""
    named = os.environ.get(CONFIG_DIR)
    return Path(named).expanduser().absolute() if named else None


def stamp() -> tuple[tuple[str, int], ...]:
    """Return the files of the folder with their times, which change when a file is edited."""
    folder = own_folder()
    files = sorted(folder.glob("*/*.yaml")) if folder is not None else []
    return tuple((str(file), file.stat().st_mtime_ns) for file in files)


def use_own_folder(named: str, conf: Path, groups: Sequence[str]) -> None:
    """Add the files of a folder to the choices of this process and of those it starts.

    Raises:
        ConfigError: it has no files for a group, or one with the name of a file in `conf/`.
    """
    folder = Path(named).expanduser().absolute()
    files = [file for group in groups for file in sorted((folder / group).glob("*.yaml"))]
    if not files:
        raise ConfigError(
            "--config-dir with a folder that has files such as experiment/mine.yaml",
            f"{named}, which {nature(folder)}" if named else named,
            f"name its folders after groups: {', '.join(groups)}",
        )
    for file in files:
        if (conf / file.parent.name / file.name).is_file():
            raise ConfigError(
                "names that mlptrain's own files do not have",
                str(file),
                f"rename it, for example to {file.parent.name}/my_{file.name}",
            )
    os.environ[CONFIG_DIR] = str(folder)
