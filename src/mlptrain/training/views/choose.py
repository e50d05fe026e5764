"""Which view of a run `runtime.progress` asks for."""

from __future__ import annotations

import sys
from typing import Literal, TextIO

from rich.console import Console

from mlptrain.training.views.plain import PlainView, QuietView, View
from mlptrain.training.views.rich import RichView


def make_view(
    progress: Literal["auto", "rich", "plain", "none"], stream: TextIO | None = None
) -> View:
    """The view that `runtime.progress` asks for.

    Args:
        progress: `auto` is `rich` on a terminal that can move its cursor, else `plain`. Where
            the stream's encoding lacks the characters of `rich`, that too is `plain`.
        stream: where to write; standard output by default. NO_COLOR is honoured.
    """
    stream = stream or sys.stdout
    if progress == "none":
        return QuietView()
    console = Console(file=stream, highlight=False)
    terminal = stream.isatty() and not console.is_dumb_terminal
    wanted = progress == "rich" or (progress == "auto" and terminal)
    if wanted and not console.options.ascii_only:
        return RichView(console)
    return PlainView(stream)
