"""What a cell of a sweep tells: a line per epoch that says whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlptrain.training.view import View


class CellView(View):
    """Plain lines; several workers may write to the same terminal."""

    def __init__(self, name: str, epochs: int) -> None:
        self._name = name
        self._epochs = epochs

    def epoch_done(self, row: Mapping[str, Any], best: bool) -> None:
        """The epoch's figures in one line."""
        shown = {
            "loss": f"{row['loss']:.4f}",
            "accuracy": f"{row['accuracy']:.4f}",
            "val_accuracy": "" if row["val_accuracy"] is None else f"{row['val_accuracy']:.4f}",
        }
        figures = "  ".join(f"{key} {value}" for key, value in shown.items() if value)
        print(f"{self._name}  epoch {row['epoch']}/{self._epochs}  {figures}", flush=True)

    def message(self, text: str) -> None:
        """Something worth a line."""
        print(f"{self._name}  {text}", flush=True)
