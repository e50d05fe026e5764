"""`mlptrain options [GROUP]`: the groups and every choice in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlptrain import completion

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer()
_TRAIN = "train"
"""The keys of training, listed beside the groups though they have no choices."""


@app.command(help="List the groups of the config and the choices in each.")
def options(
    group: Annotated[
        str | None,
        typer.Argument(
            metavar="GROUP",
            help="Show only this group, with the settings of each choice.",
            autocompletion=completion.group_names,
        ),
    ] = None,
    copy: Annotated[
        str | None,
        typer.Option(
            metavar="GROUP/CHOICE",
            help="Write a copy of this choice's file into the working directory, to start from.",
        ),
    ] = None,
    config_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder with files of your own, such as DIR/experiment."),
    ] = None,
) -> None:
    """Print the choices of a group, or of all groups; or copy the file of a choice."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from mlptrain.config import location
    from mlptrain.config.own_files import use_own_folder
    from mlptrain.config.spelling import did_you_mean
    from mlptrain.errors import ConfigError

    if config_dir is not None:
        use_own_folder(config_dir, location.CONF, location.listed_groups())
    if copy is not None:
        _copy(copy)
        return
    known = (*location.listed_groups(), _TRAIN)
    if group == "init":
        group = "initializer"
    if group is not None and group not in known:
        raise ConfigError(
            f"a group: {', '.join(known)}",
            group,
            did_you_mean(
                group, known, "mlptrain options ", otherwise="`mlptrain options` shows them all"
            ),
        )
    console = Console(highlight=False)
    defaults = location.defaults()
    for name in [group] if group else known:
        if name == _TRAIN:
            _print_training(console)
            continue
        heading = f"mlptrain {name}" if name == location.SEARCH else f"{name}="
        table = Table(title=heading, title_justify="left", title_style="bold", box=None,
                      show_header=False, padding=(0, 2))  # fmt: skip
        table.add_column(style="cyan", no_wrap=True)
        table.add_column()
        for choice in location.choices(name):
            mark = " *" if defaults.get(name) == choice else ""
            lines = [escape(location.description(name, choice))]
            shows_settings = name == "runtime" or (group and name in location.groups())
            if shows_settings and (settings := _settings(name, choice)):
                lines.append(f"[dim]{escape(settings)}[/dim]")
            table.add_row(choice + mark, "\n".join(filter(None, lines)))
        console.print(table)
        console.print()
    shown = [group] if group else location.listed_groups()
    if any(n != _TRAIN and defaults.get(n) in location.choices(n) for n in shown):
        console.print("* default", style="dim")


def _copy(choice: str) -> None:
    """Write `GROUP/my_CHOICE.yaml` and print the command that uses it."""
    from mlptrain.config import location
    from mlptrain.config.spelling import did_you_mean
    from mlptrain.errors import ConfigError

    group, _, name = choice.partition("/")
    known = [f"{g}/{c}" for g in location.listed_groups() for c in location.choices(g)]
    if choice not in known:
        raise ConfigError(
            "--copy with GROUP/CHOICE, such as experiment/fast",
            choice,
            did_you_mean(choice, known, "--copy ", otherwise="`mlptrain options` lists them"),
        )
    file = Path(group) / f"my_{name}.yaml"
    is_search = group == location.SEARCH
    command = (
        f"mlptrain search {file}" if is_search else (f"mlptrain --config-dir . {group}=my_{name}")
    )
    text = location.file_of(group, name).read_text(encoding="utf-8")
    text = text.replace(f"# {name}: ", f"# my_{name}: ", 1)
    text = re.sub(r"^# mlptrain .*$", f"# {command}", text, count=1, flags=re.MULTILINE)
    try:
        file.parent.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise ConfigError(
            "a file that does not exist yet, in a folder that can be written to",
            f"{file}: {error.strerror}",
            "change to another folder, or remove the file",
        ) from None
    print(f"wrote {file}\nnext: {command}")


def _print_training(console: Console) -> None:
    """Print the keys of `train`, which have no choices, with their defaults."""
    from mlptrain.config.location import default_values

    console.print("train.KEY=", style="bold")
    for key, value in default_values().items():
        if key.startswith(f"{_TRAIN}."):
            console.print(f"  [cyan]{key}[/]={json.dumps(value)}")
    console.print()


def _settings(group: str, choice: str) -> str:
    """Return the settings of a choice as overrides, without those of its nodes."""
    from mlptrain.config.location import contents

    settings = {key: value for key, value in contents(group, choice).items()
                if key not in ("name", "defaults") and not isinstance(value, dict)}  # fmt: skip
    # PyYAML reads 1e-3 as text, where Hydra reads a number: shown as it stands in the file.
    return "  ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in settings.items()
    )
