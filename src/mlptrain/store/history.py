"""The columns of history.csv, each declared once: file, views and readers take them from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlptrain.formatting import loss_text, percent, rate_text, seconds_text


@dataclass(frozen=True)
class Column:
    """One figure of each epoch.

    Attributes:
        key: name in history.csv and in plain lines.
        label: short name, for the header of the table on a terminal.
        text: value → its text, also of a missing value.
        width: characters of the text, at most.
        unit: what follows the value in plain lines, in place of the key before it.
        is_dim: whether the table on a terminal shows it in a quieter color.
    """

    key: str
    label: str
    text: Callable[[Any], str]
    width: int
    unit: str = ""
    is_dim: bool = False

    def plain(self, value: Any) -> str:
        """Return the value as plain lines show it, such as `loss 1.2000` or `4.2 s`."""
        return f"{self.text(value)} {self.unit}" if self.unit else f"{self.key} {self.text(value)}"


COLUMNS = [
    Column("epoch", "epoch", str, 5, is_dim=True),
    Column("loss", "loss", loss_text, 6),
    Column("accuracy", "acc", percent, 6),
    Column("val_loss", "val_loss", loss_text, 8),
    Column("val_accuracy", "val_acc", percent, 7),
    Column("learning_rate", "lr", rate_text, 8, is_dim=True),
    Column("seconds", "s", seconds_text, 5, unit="s", is_dim=True),
]
"""In the order of the file; the first is the epoch."""


def column_keys() -> list[str]:
    """Return the header of history.csv."""
    return [column.key for column in COLUMNS]
