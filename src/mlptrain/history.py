"""The columns of history.csv, each declared once: everything that shows or uses one reads it here.

These are the file and its readers, views, loggers, pictures, reports and what callbacks monitor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

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
        better: which values are better, of a metric: callbacks may monitor it, reports and the
            learning curves show it. Its key starts with `val_` if it is of validation.
        is_on_screen: whether the lines and the table on a terminal show it.
    """

    key: str
    label: str
    text: Callable[[Any], str]
    width: int
    unit: str = ""
    is_dim: bool = False
    better: Literal["", "lower", "higher"] = ""
    is_on_screen: bool = True

    @property
    def is_fraction(self) -> bool:
        """Whether the value is a fraction that is shown in percent."""
        return self.text is percent

    @property
    def is_validation(self) -> bool:
        """Whether the value is measured on validation images."""
        return self.key.startswith("val_")

    @property
    def quantity(self) -> str:
        """What is measured, in words, without the split: `accuracy`."""
        return self.key.removeprefix("val_").replace("_", " ").replace("f1", "F1")

    def plain(self, value: Any) -> str:
        """Return the value as plain lines show it, such as `loss 1.2000` or `4.2 s`."""
        return f"{self.text(value)} {self.unit}" if self.unit else f"{self.key} {self.text(value)}"


COLUMNS = [
    Column("epoch", "epoch", str, 5, is_dim=True),
    Column("loss", "loss", loss_text, 6, better="lower"),
    Column("accuracy", "acc", percent, 6, better="higher"),
    Column("val_loss", "val_loss", loss_text, 8, better="lower"),
    Column("val_accuracy", "val_acc", percent, 7, better="higher"),
    Column("learning_rate", "lr", rate_text, 8, is_dim=True),
    Column("seconds", "s", seconds_text, 5, unit="s", is_dim=True),
    Column("val_macro_f1", "val_F1", percent, 6, better="higher", is_on_screen=False),
]
"""In the order of the file; the first is the epoch."""


def column_keys() -> list[str]:
    """Return the header of history.csv."""
    return [column.key for column in COLUMNS]


def screen_columns() -> list[Column]:
    """Return the columns that a terminal shows; the first is the epoch."""
    return [column for column in COLUMNS if column.is_on_screen]


def best_in_words(key: str) -> str:
    """Return what the best epoch by a metric has, such as `lowest val_loss`."""
    better = {column.key: column.better for column in COLUMNS}
    return f"{'lowest' if better.get(key) == 'lower' else 'highest'} {key}"


def metrics() -> list[Column]:
    """Return the columns that are metrics: validation before training, fractions before others."""
    all_metrics = [column for column in COLUMNS if column.better]
    return sorted(
        all_metrics, key=lambda column: (not column.is_validation, not column.is_fraction)
    )
