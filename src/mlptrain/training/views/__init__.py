"""Views of a run: what the user sees while it trains, as `runtime.progress` asks for it."""

import sys
from typing import Literal, TextIO

from rich.console import Console

from mlptrain.training.views.plain import PlainView, View
from mlptrain.training.views.rich import RichView


def make_view(
    progress: Literal["auto", "rich", "plain", "none"], stream: TextIO | None = None
) -> View:
    """Return the view that `runtime.progress` asks for.

    Args:
        progress: `auto` means `rich` on a terminal that can move its cursor, else `plain`.
            `rich` becomes `plain` where the stream's encoding lacks its characters.
        stream: where to write (default: standard output). NO_COLOR is honored.
    """
    stream = stream or sys.stdout
    if progress == "none":
        return View()
    console = Console(file=stream, highlight=False)
    is_terminal = stream.isatty() and not console.is_dumb_terminal
    is_rich = progress == "rich" or (progress == "auto" and is_terminal)
    if is_rich and not console.options.ascii_only:
        return RichView(console)
    return PlainView(stream)
