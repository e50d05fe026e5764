"""The command line, parsed once into one value that every command and the Python API share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlptrain.config.location import CONF, STUDY, choices, default_values, groups, listed_groups
from mlptrain.config.overrides import normalize, parse_overrides
from mlptrain.config.own_files import use_own_folder
from mlptrain.config.spelling import did_you_mean, synonym
from mlptrain.errors import ConfigError
from mlptrain.paths import nature

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_LONG = {
    "-c": "--cfg", "-p": "--package", "-i": "--info", "-m": "--multirun",
    "-sc": "--shell-completion", "-r": "--run", "-cp": "--config-path", "-cn": "--config-name",
    "-cd": "--config-dir",
}  # fmt: skip
_VALUES = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--package": None,
    "--config-dir": None,
}
_SWITCHES = ("--multirun", "--resolve", "--hydra-help")
_EXCLUSIVE = ("--multirun", "--cfg", "--info", "--hydra-help")
_OTHER_CONFIG = "--config-dir DIR adds files of your own, such as DIR/experiment/mine.yaml"
_REJECTED = {
    "--run": "leave it out: mlptrain runs by default",
    "--config-path": _OTHER_CONFIG,
    "--config-name": _OTHER_CONFIG,
    "--experimental-rerun": "use `mlptrain --like RUN`",
    "--shell-completion": "use `mlptrain --install-completion`",
}
_FOLDER = "choose the folder above the runs with output_root=PATH"
_INSTEAD = {
    "run.": _FOLDER,
    "sweep.": _FOLDER,
    "output_subdir": "leave it out: Hydra's own files are in .hydra/ of each run",
    "job.chdir": "change the working directory before the command; " + _FOLDER,
    "job.env_set": "set the variables before the command",
    "verbose": "set MLPTRAIN_DEBUG=1 to see tracebacks; train.log is in each run's folder",
    "mode": "-m trains a grid, and a command without -m one run",
    "searchpath": "--config-dir DIR adds a folder with files of your own",
    "hydra/sweeper": "leave it out; hydra/launcher chooses what runs the cells",
}
"""Beginning of the name of a setting of Hydra → what to do instead."""
_RETRY_FAILED = "sweep.retry_failed"


@dataclass(frozen=True)
class CommandLine:
    """What was typed after the subcommand.

    Attributes:
        text: the whole command, starting with `mlptrain`, to record and to type again; without
            `sweep.retry_failed`, which asks for no other runs.
        options: Hydra's options in their long form, each followed by its value if it has one;
            a study implies `--multirun`.
        study: name or file of the study whose grids the overrides change, if any.
        retry_failed: whether a sweep trains failed cells again; None if this was not given.
        hydra: parsed overrides of Hydra's own settings (`hydra/launcher=…`).
        overrides: all other parsed overrides; `texts_of` spells them.
        base: config of an earlier run to start from; None for the defaults.
        command: the subcommand, for messages.
    """

    text: tuple[str, ...]
    options: tuple[str, ...]
    study: str | None
    retry_failed: bool | None
    hydra: tuple[Override, ...]
    overrides: tuple[Override, ...]
    base: Mapping[str, Any] | None = None
    command: str = "train"

    @property
    def is_sweep(self) -> bool:
        """Whether it asks for many runs."""
        return "--multirun" in self.options

    @classmethod
    def parse(
        cls,
        arguments: Sequence[str],
        text: Sequence[str] = (),
        base: Mapping[str, Any] | None = None,
        command: str = "train",
    ) -> CommandLine:
        """Parse the arguments of a command that takes overrides.

        Args:
            arguments: options of Hydra's, `study=NAME`, `sweep.KEY=VALUE` and overrides.
            text: the whole command as typed, for the record.
            base: config of the earlier run that `--like` names.
            command: the subcommand, for messages.

        Raises:
            ConfigError: an argument is wrong by itself; values are checked when a config is
                composed.
        """
        options, rest = _take_options(arguments, command)
        options = _take_own_folder(options)
        rest = normalize(rest)
        _reject_settings_of_hydra(rest, options)
        study, rest = _take_study(rest)
        retry_failed, rest = _take_retry_failed(rest)
        if study is not None and "--cfg" in options:
            raise ConfigError(
                "--cfg with the config of one run",
                f"study={study}, which has many",
                f"`mlptrain plan study={study}` lists its cells",
            )
        if study is not None and base is not None:
            raise ConfigError(
                "--like with overrides or a grid",
                f"--like with study={study}",
                "leave one of the two out: a study's stages start from the defaults. "
                "A grid on top of a run is `mlptrain --like RUN -m KEY=A,B`",
            )
        if study is not None and "--multirun" not in options:
            options = ["--multirun", *options]
        _reject_two_tasks(options)
        parsed = parse_overrides(rest)
        return cls(
            text=tuple(word for word in text if not word.startswith("sweep.")),
            options=tuple(options),
            study=study,
            retry_failed=retry_failed,
            hydra=tuple(override for override in parsed if _is_hydras(override)),
            overrides=tuple(override for override in parsed if not _is_hydras(override)),
            base=base,
            command=command,
        )

    def require_grid(self) -> None:
        """Check that the command line has no option of Hydra's beside `--multirun`.

        Raises:
            ConfigError: it has one.
        """
        for option in self.options:
            if option != "--multirun":
                raise ConfigError("a grid without options of Hydra's", option, "leave it out")

    def require_one_run(self) -> None:
        """Check that the command line asks for one run, and for nothing that only sweeps have.

        Raises:
            ConfigError: it does not.
        """
        if self.study is not None:
            raise ConfigError(
                "overrides of one run",
                f"study={self.study}, which has many",
                f"`mlptrain study={self.study}` trains them",
            )
        if self.options:
            raise ConfigError(
                "overrides KEY=VALUE alone", self.options[0], "leave the options of Hydra out"
            )
        if launchers := [o for o in self.hydra if "launcher" in o.key_or_group]:
            raise ConfigError(
                "hydra/launcher with -m",
                f"{launchers[0].input_line} for one run, which would train in this process",
                "add -m, also where nothing is swept: then the launcher gets one run",
            )
        if self.retry_failed is not None:
            setting = f"{_RETRY_FAILED}={str(self.retry_failed).lower()}"
            raise ConfigError(
                f"{setting} with a sweep", f"{setting} for one run", "add -m, or leave it out"
            )


def _take_options(arguments: Sequence[str], command: str) -> tuple[list[str], list[str]]:
    """Split Hydra's options (in their long form, with their values) off the arguments.

    Raises:
        ConfigError: an option that does not exist or cannot work here, or a wrong value.
    """
    options: list[str] = []
    overrides: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        name, equals, value = argument.partition("=")
        option = _LONG.get(name, name)
        if option in _REJECTED:
            raise ConfigError("one of Hydra's options that work here", argument, _REJECTED[option])
        if option in _SWITCHES and not equals:
            options.append(option)
        elif option in _VALUES:
            if equals:
                rest.insert(0, value)
            options += [option, *_take_value(option, rest)]
        else:
            raise _unknown_option(argument, rest, command)
    _reject_two_tasks(options)
    for option, example in (("--package", "--package model"), ("--resolve", "--resolve")):
        if option in options and "--cfg" not in options:
            raise ConfigError(
                f"{option} together with --cfg", option, f"write mlptrain --cfg job {example}"
            )
    return options, overrides


def _take_own_folder(options: list[str]) -> list[str]:
    """Add the files of `--config-dir DIR` to the choices; return the other options."""
    if "--config-dir" not in options:
        return options
    place = options.index("--config-dir")
    others = [*options[:place], *options[place + 2 :]]
    if "--config-dir" in others:
        raise ConfigError("one --config-dir", "two of them", "put the files into one folder")
    use_own_folder(options[place + 1], CONF, listed_groups())
    return others


def _unknown_option(argument: str, rest: Sequence[str], command: str) -> ConfigError:
    """`--epochs 3` is `train.epochs=3`; anything else is compared with the options there are."""
    name, equals, value = argument.partition("=")
    expected = f"an option of `mlptrain {command}`"
    if (key := synonym(name.lstrip("-"), [*groups(), *default_values()])) is not None:
        if not equals and rest and not rest[0].startswith("-") and "=" not in rest[0]:
            argument, value = f"{argument} {rest[0]}", rest[0]
        return ConfigError(expected, argument, f"write {key}={value or 'VALUE'}, without dashes")
    options = [*_SWITCHES, *_VALUES, "--like", "--version"] if command == "train" else ["--help"]
    otherwise = f"`mlptrain {command} --help` lists the options"
    return ConfigError(expected, argument, did_you_mean(name, options, otherwise=otherwise))


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
            "write --config-dir DIR"
            if option == "--config-dir"
            else "write mlptrain --cfg job, or --cfg job --package model",
        )
    value = rest.pop(0)
    if valid is not None and value not in valid:
        raise ConfigError(
            f"{option} with one of {', '.join(valid)}",
            f"{option} {value or 'with an empty value'}",
            did_you_mean(value, valid, f"{option} ", otherwise=f"write {option} {valid[0]}"),
        )
    return [value]


def _reject_two_tasks(options: Sequence[str]) -> None:
    tasks = [option for option in options if option in _EXCLUSIVE]
    if len(tasks) > 1:
        raise ConfigError(
            f"one of {', '.join(_EXCLUSIVE)}, once",
            " ".join(tasks),
            "leave one out; `mlptrain plan` lists the cells of a grid or a study",
        )


def _reject_settings_of_hydra(overrides: Sequence[str], options: Sequence[str]) -> None:
    """Reject settings of Hydra that would have no effect, or that mlptrain decides itself."""
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if not key.startswith(("hydra.", "hydra/")) or key.startswith("hydra.launcher."):
            continue
        if key == "hydra/launcher" or (key, value) == ("hydra/sweeper", "mlptrain"):
            continue
        if "--cfg" in options and not key.startswith(("hydra.run.", "hydra.sweep")):
            continue
        name = key.removeprefix("hydra.")
        raise ConfigError(
            "of Hydra's settings only hydra/launcher and hydra.launcher.KEY",
            override,
            next(
                (hint for start, hint in _INSTEAD.items() if name.startswith(start)), "leave it out"
            ),
        )


def _take_study(overrides: Sequence[str]) -> tuple[str | None, list[str]]:
    named, rest = _split(overrides, lambda key: key == STUDY)
    names = [override.partition("=")[2] for override in named]
    if not names or names == ["null"]:
        return None, rest
    if len(names) == 1 and (file := Path(names[0])).suffix in (".yaml", ".yml"):
        if not file.expanduser().is_file():
            raise ConfigError(
                f"{STUDY} with a name or a file",
                f"{STUDY}={names[0]}, which {nature(file)}",
                f"`mlptrain options {STUDY}` lists the names",
            )
        return names[0], rest
    known = choices(STUDY)
    if len(names) > 1 or "," in names[0]:
        raise ConfigError(
            f"one {STUDY}",
            " ".join(named),
            f"train them one after another; {STUDY}=full has all stages",
        )
    if names[0] not in known:
        raise ConfigError(
            f"{STUDY} to be one of {', '.join(known)}",
            f"{STUDY}={names[0]}",
            did_you_mean(names[0], known, f"{STUDY}=", otherwise="choose one of them"),
        )
    return names[0], rest


def _take_retry_failed(overrides: Sequence[str]) -> tuple[bool | None, list[str]]:
    settings, rest = _split(overrides, lambda key: key.startswith("sweep."))
    retry_failed = None
    for setting in settings:
        key, _, value = setting.partition("=")
        if key != _RETRY_FAILED:
            action = did_you_mean(key, [_RETRY_FAILED], otherwise="leave it out")
            raise ConfigError(f"{_RETRY_FAILED}, the only setting of sweeps", setting, action)
        if value.lower() not in ("true", "false"):
            raise ConfigError(f"{key} to be true or false", setting, f"write {key}=true")
        retry_failed = value.lower() == "true"
    return retry_failed, rest


def _split(overrides: Sequence[str], belongs: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Split the overrides into those whose key belongs and the others."""
    flags = [belongs(override.partition("=")[0]) for override in overrides]
    pairs = list(zip(overrides, flags, strict=True))
    return [o for o, flag in pairs if flag], [o for o, flag in pairs if not flag]


def _is_hydras(override: Override) -> bool:
    return override.key_or_group.startswith(("hydra.", "hydra/"))
