"""Hydra's own options among the words of a command line: which mlptrain passes on, and why not."""

from __future__ import annotations

from collections.abc import Sequence

from mlptrain.config.spelling import did_you_mean
from mlptrain.errors import ConfigError

_LONG = {
    "-c": "--cfg", "-p": "--package", "-i": "--info", "-m": "--multirun",
    "-sc": "--shell-completion", "-r": "--run", "-cp": "--config-path", "-cn": "--config-name",
    "-cd": "--config-dir",
}  # fmt: skip
_VALUES = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--package": None,
}
_SWITCHES = ("--multirun", "--resolve", "--hydra-help")
_ALONE = ("--multirun", "--cfg", "--info", "--hydra-help")
_REFUSED = {
    "--run": "leave it out: mlptrain runs unless told otherwise",
    "--config-path": "put a new choice into conf/ instead; every key is checked against its schema",
    "--config-name": "put a new choice into conf/ instead; every key is checked against its schema",
    "--config-dir": "put a new choice into conf/ instead; every key is checked against its schema",
    "--experimental-rerun": "use `mlptrain --like RUN`",
    "--shell-completion": "use `mlptrain --install-completion`",
}


def split_options(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's options in their long form (with their values) and the overrides.

    Raises:
        ConfigError: an option that does not exist or cannot work here, or a wrong value.
    """
    options: list[str] = []
    overrides: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        name, equals, value = word.partition("=")
        option = _LONG.get(name, name)
        if option in _REFUSED:
            raise ConfigError("Hydra's options that work here", word, _REFUSED[option])
        if option in _SWITCHES and not equals:
            options.append(option)
        elif option in _VALUES:
            if equals:
                rest.insert(0, value)
            options += [option, *_take_value(option, rest)]
        else:
            raise ConfigError(
                "an option of `mlptrain train`",
                word,
                did_you_mean(option, [*_SWITCHES, *_VALUES, "--like", "--help", "--version"]),
            )
    check_alone(options)
    for option, example in (("--package", "--package model"), ("--resolve", "--resolve")):
        if option in options and "--cfg" not in options:
            raise ConfigError(
                f"{option} together with --cfg", option, f"write mlptrain --cfg job {example}"
            )
    return options, overrides


def check_alone(options: Sequence[str]) -> None:
    """Refuse options that ask for different things.

    Raises:
        ConfigError: there are two of them.
    """
    asked = [option for option in options if option in _ALONE]
    if len(asked) > 1:
        raise ConfigError(
            f"one of {', '.join(_ALONE)}",
            " ".join(asked),
            "leave one out; `mlptrain plan` lists the cells of a grid or a study",
        )


def refuse_hydras(words: Sequence[str]) -> None:
    """Refuse what mlptrain decides itself: the folders' names, and who runs a grid.

    Raises:
        ConfigError: a word asks for another.
    """
    for word in words:
        key, _, value = word.lstrip("+~").partition("=")
        if key in ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"):
            raise ConfigError(
                "the folders that mlptrain names",
                word,
                "choose where they stand with output_root=PATH",
            )
        if key == "hydra/sweeper" and value != "mlptrain":
            raise ConfigError(
                "mlptrain's own sweeper",
                word,
                "leave it out; hydra/launcher chooses what runs the cells",
            )


def _take_value(option: str, rest: list[str]) -> list[str]:
    """Take the option's value off the front of the rest."""
    valid = _VALUES[option]
    optional = option == "--info"
    if not rest or rest[0].startswith("-") or (optional and "=" in rest[0]):
        if optional:
            return ["all"]
        raise ConfigError(
            f"{option} with a value{': ' + ', '.join(valid) if valid else ''}",
            f"{option} alone",
            "write mlptrain --cfg job, or --cfg job --package model",
        )
    value = rest.pop(0)
    if valid is not None and value not in valid:
        raise ConfigError(
            f"{option} with one of {', '.join(valid)}",
            f"{option} {value}",
            did_you_mean(value, valid, f"{option} ", otherwise=f"write {option} {valid[0]}"),
        )
    return [value]
