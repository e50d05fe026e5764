"""What `conf/` offers: groups, their choices and defaults; and which subcommands there are."""

from functools import cache
from pathlib import Path
from typing import Any

from mlptrain.config.own_files import own_folder

_PACKAGED = Path(__file__).resolve().parents[1] / "conf"
_REPOSITORY = Path(__file__).resolve().parents[3] / "conf"

CONF = _PACKAGED if _PACKAGED.is_dir() else _REPOSITORY
"""The folder `conf/`: inside an installed wheel, or at the top of the repository."""

STUDY = "study"
"""Folder of the studies, which list grids (sweeps/study.py); it is not a group."""

SEARCH = "search"
"""Folder of the search spaces (search/space.py); it is not a group either."""

LAUNCHER = "launcher"
"""Folder that says how Hydra's launchers run jobs (sweeps/launchers.py); it is no group either."""


@cache
def subcommands() -> tuple[str, ...]:
    """Return the subcommands of `mlptrain`, sorted: the files of `commands/`."""
    files = (Path(__file__).resolve().parents[1] / "commands").glob("[a-z]*.py")
    return tuple(sorted(file.stem for file in files))


@cache
def groups() -> tuple[str, ...]:
    """Return the groups that Hydra composes, sorted: the folders of `conf/` but those three."""
    folders = (entry.name for entry in CONF.iterdir() if entry.is_dir())
    return tuple(sorted(name for name in folders if name not in (STUDY, SEARCH, LAUNCHER)))


def listed_groups() -> tuple[str, ...]:
    """Return everything that has choices to list: the groups, the studies, the searches."""
    return (*groups(), STUDY, SEARCH)


def choices(group: str) -> list[str]:
    """Return the choices of a group, sorted: the names of its files, the user's own included."""
    folders = filter(None, (CONF, own_folder()))
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})


def file_of(group: str, choice: str) -> Path:
    """Return the file of a choice, the user's own where `conf/` has none of that name."""
    for folder in filter(None, (CONF, own_folder())):
        if choice in {file.stem for file in (folder / group).glob("*.yaml")}:
            return folder / group / f"{choice}.yaml"
    return CONF / group / f"{choice}.yaml"


def description(group: str, choice: str) -> str:
    """Return the first comment line of a choice's file, without its leading `name:`."""
    lines = file_of(group, choice).read_text(encoding="utf-8").splitlines()
    comments = (line for line in lines if line.startswith("# ") and "@package" not in line)
    first = next(comments, "")
    return first.lstrip("# ").removeprefix(f"{choice}: ").strip()


def defaults() -> dict[str, str | None]:
    """Return group → default choice, from the defaults list of `config.yaml`."""
    import yaml

    listed = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))["defaults"]
    return {group: choice for entry in listed if isinstance(entry, dict)
            for group, choice in entry.items()}  # fmt: skip


def contents(group: str, choice: str) -> dict[str, Any]:
    """Return the content of a choice's file laid on the files of its group that it includes."""
    import yaml

    content = yaml.safe_load(file_of(group, choice).read_text(encoding="utf-8"))
    included = [name for name in content.pop("defaults", ()) if isinstance(name, str)]
    merged: dict[str, Any] = {}
    for layer in [contents(group, name) for name in included if name != "_self_"] + [content]:
        for key, value in layer.items():
            earlier = merged.get(key)
            if isinstance(earlier, dict) and isinstance(value, dict):
                value = {**earlier, **value}
            merged[key] = value
    return merged


def default_values() -> dict[str, Any]:
    """Return dotted key → default, from the default choice of each group."""
    import yaml

    from mlptrain.augmentations import neutral_values
    from mlptrain.config.nesting import dotted

    config = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    config["augmentation"] = neutral_values()
    chosen = {group: choice for group, choice in defaults().items() if choice and "/" not in group}
    for group, choice in chosen.items():
        config[group] = {**(config.get(group) or {}), **contents(group, choice)}
    for key in ("defaults", "hydra"):
        del config[key]
    return dotted(config)
