"""`mlptrain options [GROUP]`: the groups and every choice in them."""

from __future__ import annotations

import json

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlptrain.config.location import (
    SEARCH,
    choices,
    contents,
    defaults,
    description,
    groups,
    listed_groups,
)
from mlptrain.config.spelling import did_you_mean
from mlptrain.errors import ConfigError


def show_options(group: str | None) -> None:
    """Print the choices of a group, or of all groups.

    Raises:
        ConfigError: there is no such group.
    """
    known = listed_groups()
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
    first = defaults()
    for name in [group] if group else known:
        heading = f"mlptrain {SEARCH}" if name == SEARCH else f"{name}="
        table = Table(title=heading, title_justify="left", title_style="bold", box=None,
                      show_header=False, padding=(0, 2))  # fmt: skip
        table.add_column(style="cyan", no_wrap=True)
        table.add_column()
        for choice in choices(name):
            mark = " *" if first.get(name) == choice else ""
            keys = [_values(name, choice)] if group and name in groups() else []
            told = [escape(description(name, choice)), *keys]
            table.add_row(choice + mark, "\n".join(filter(None, told)))
        console.print(table)
        console.print()
    console.print("* unless another is chosen", style="dim")


def _values(group: str, choice: str) -> str:
    """The keys of a choice with their values, as one would type them."""
    settings = {key: value for key, value in contents(group, choice).items()
                if key not in ("name", "defaults") and not isinstance(value, dict)}  # fmt: skip
    # PyYAML reads 1e-3 as text, where Hydra reads a number: shown as it stands in the file.
    words = (
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in settings.items()
    )
    return f"[dim]{escape('  '.join(words))}[/dim]" if settings else ""
