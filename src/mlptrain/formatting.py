"""Numbers, durations, paths and commands as text, spelled alike everywhere."""

import csv
import io
import math
import re
import shlex
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import Any

from mlptrain.errors import printable

BLANK = "–"  # noqa: RUF001

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of text that spreadsheets run."""
_LOOKS_TYPED = re.compile(r"[-+.\d_e]+|true|false|null|nan|inf", re.IGNORECASE)


def known(value: Any) -> bool:
    """Whether there is a figure to show: not None, not missing, not NaN."""
    return isinstance(value, int | float) and not math.isnan(value)


def percent(fraction: Any, digits: int = 1, unit: str = " %") -> str:
    """0.7354 → "73.5 %"; without a unit where the heading has it."""
    return f"{fraction * 100:.{digits}f}{unit}" if known(fraction) else BLANK


def p_value(p: float | None, name: str = "") -> str:
    """Format a p-value with two decimals, three below 0.1; with a name, as `p = 0.040`."""
    if p is None:
        return BLANK
    if p < 0.001:
        return f"{name} < 0.001".lstrip()
    return f"{name} = " * bool(name) + (f"{p:.3f}" if p < 0.1 else f"{p:.2f}")


def loss_text(loss: Any) -> str:
    """Four decimals, or three significant digits where that would get long."""
    if not known(loss):
        return BLANK
    return f"{loss:.4f}" if abs(loss) < 1000 else f"{loss:.3g}"


def rate_text(learning_rate: Any) -> str:
    """A learning rate with three significant digits."""
    return f"{learning_rate:.3g}" if known(learning_rate) else BLANK


def seconds_text(seconds: Any) -> str:
    """Seconds with as many decimals as say something."""
    if not known(seconds):
        return BLANK
    return f"{seconds:.{2 if seconds < 1 else 1 if seconds < 100 else 0}f}"


def duration(seconds: float) -> str:
    """134.2 → "2 min 14 s"."""
    if seconds < 60:
        return f"{seconds_text(seconds) if seconds < 10 else round(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def time_left(seconds: float) -> str:
    """134.2 → "about 2 min 14 s left"; an estimate has no fractions of a second."""
    rounded = round(seconds)
    if rounded < 1:
        return "less than 1 s left"
    return f"about {f'{rounded} s' if rounded < 10 else duration(rounded)} left"


def quantity(number: int, noun: str) -> str:
    """1, "cell" → "1 cell"; 1200, "class" → "1,200 classes"."""
    if number != 1:
        noun = f"{noun}es" if noun.endswith(("s", "x", "tch")) else f"{noun}s"
    return f"{number:,} {noun}"


def shown_path(folder: Path) -> str:
    """The folder as one would type it here: relative when it is below the working directory."""
    try:
        return str(folder.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)


def resume_command(folder: Path) -> str:
    """What to type when the run was stopped."""
    return f"mlptrain resume {shlex.quote(printable(shown_path(folder)))}"


def like_command(folder: Path) -> str:
    """What to type, with changes, for another run from the config of this one."""
    return f"mlptrain --like {shlex.quote(printable(shown_path(folder)))}"


def report_command(folder: Path) -> str:
    """What to type for the page of a run or a sweep."""
    return f"mlptrain report {shlex.quote(printable(shown_path(folder)))}"


def quoted(text: str) -> str:
    """Quote a text for Hydra's grammar: any path, with `=`, spaces or quotes in it.

    In a quoted value a backslash counts only before a quote; at the end stands one.
    """
    doubled = re.sub(r"(\\+)(?='|\$\{|$)", r"\1\1", text)
    return "'" + doubled.replace("'", "\\'").replace("${", "\\${") + "'"


def typed_override(key: str, value: object) -> str:
    """Return KEY=VALUE as it is typed, quoted for Hydra and the shell where that is needed."""
    text = str(value)
    is_typed = isinstance(value, int | float) or not _LOOKS_TYPED.fullmatch(text)
    if is_typed and re.fullmatch(r"[\w./-]+", text, re.ASCII):
        return f"{key}={text}"
    if not set(text) & set("'\"\\$`"):
        return f"'{key}=\"{text}\"'"
    return shlex.quote(f"{key}={quoted(text)}")


def fitting_names(kind: str, names: Sequence[str], width: int) -> tuple[list[str], list[str]]:
    """Return names for the rows of a table, and lines to print beside it, which may be copied.

    Args:
        kind: what a row is, such as `image`.
        names: paths, which must not be broken.
        width: columns of the terminal; names take a third of it, or are numbers.
    """
    if max(map(len, names), default=0) <= width // 3:
        return list(names), []
    numbers = [str(number) for number in range(1, len(names) + 1)]
    return numbers, [f"{kind} {n}: {name}" for n, name in zip(numbers, names, strict=True)]


def column_lines(
    cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]
) -> Iterator[str]:
    """Yield a row of columns, text that is too long on several lines.

    A table of rich takes 16 s for 10,000 rows.

    Args:
        cells: their text.
        widths: of the columns, in cells of the terminal, without a margin of one on each side.
        right: whether each is aligned to the right.
    """
    from rich.cells import cell_len

    parts = [
        [cell] if cell_len(cell) <= width else wrap(cell, width)
        for cell, width in zip(cells, widths, strict=True)
    ]
    for line in zip_longest(*parts, fillvalue=""):
        blanks = [" " * (width - cell_len(part)) for part, width in zip(line, widths, strict=True)]
        yield "".join(
            f" {blank}{part} " if is_right else f" {part}{blank} "
            for part, blank, is_right in zip(line, blanks, right, strict=True)
        )


def shortened(text: str, width: int) -> str:
    """Return the text with `…` in the place of what does not fit."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as CSV: floats in their shortest exact form, an empty cell for None.

    Text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, "CSV
    Injection"); numbers, also those written as text, stay as they are.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def without_apostrophe(cell: str) -> str:
    """Return what a cell of `csv_text` said before it was made harmless."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _harmless(cell: Any) -> Any:
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def markdown_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Container[int] = ()
) -> list[str]:
    """Return the lines of a Markdown table; the columns in `numbers` are aligned at the right."""
    rule = "".join("---:|" if place in numbers else "---|" for place in range(len(head)))
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    first, *others = [f"| {' | '.join(row)} |" for row in escaped]
    return [first, f"|{rule}", *others]
