"""`mlptrain options [GROUP]`: the groups and every choice in them."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlptrain.config.location import choices, description, groups
from mlptrain.config.spelling import did_you_mean
from mlptrain.errors import ConfigError


def show_options(group: str | None) -> None:
    """Print the choices of a group, or of all groups.

    Raises:
        ConfigError: there is no such group.
    """
    known = groups()
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
    for name in [group] if group else known:
        table = Table(title=f"{name}=", title_justify="left", title_style="bold", box=None,
                      show_header=False, padding=(0, 2))  # fmt: skip
        table.add_column(style="cyan", no_wrap=True)
        table.add_column()
        for choice in choices(name):
            table.add_row(choice, escape(description(name, choice)))
        console.print(table)
        console.print()
