"""`layers.csv`: what was measured inside the net, one row per epoch and layer.

Epoch 0 is the net before its first step. The row of the layer `network` holds what is measured
once per epoch; `training/instruments.py` measures all of it.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlptrain.errors import RunFolderError, printable
from mlptrain.formatting import csv_text
from mlptrain.store import names
from mlptrain.store.reading import LIMITS, finite_number, read_text

NETWORK = "network"
"""The layer of the rows that describe the whole net."""

LAYER_COLUMNS = {
    "units": "outputs of the layer",
    "activation_mean": "mean of the activations on the probe",
    "activation_sd": "standard deviation of the activations on the probe",
    "dead_share": "share of units whose activation has zero derivative on the whole probe",
    "saturated_share": "share of activations with a derivative below 5 % of the largest",
    "gradient_norm": "norm of the loss's gradient by the kernel, on the probe",
    "kernel_norm": "norm of the kernel",
    "kernel_size": "number of the kernel's weights",
    "update_ratio": "norm of the epoch's change of the kernel over its norm, per step",
    "effective_rank": "independent directions among the units' activations on the probe",
    "duplicate_share": "share of units with the same weights as another unit, up to their scale",
}
"""Column of a layer's row → what it means."""

NETWORK_COLUMNS = {
    "gradient_cosine": "cosine between the gradients of two halves of the probe",
    "top_class_share": "share of the class that is predicted most often",
    "confidence": "mean probability of the predicted class",
    "calibration_error": "mean gap between confidence and accuracy, in ten bins",
    "probe_loss": "mean cross-entropy of the probe, without penalty",
    "probe_accuracy": "accuracy on the probe",
}
"""Column of the network's row → what it means."""

COLUMNS = ("epoch", "layer", *LAYER_COLUMNS, *NETWORK_COLUMNS)
_DIGITS = 6

Row = Mapping[str, float | int | str | None]


def layers_text(rows: Iterable[Row]) -> str:
    """Return rows as the lines of `layers.csv`, without the header."""
    return csv_text([_cell(row.get(column)) for column in COLUMNS] for row in rows)


def header() -> str:
    """Return the first line of `layers.csv`."""
    return csv_text([COLUMNS])


def lines_until(text: str, epoch: int) -> str:
    """Return the lines of `layers.csv`, with its header, up to an epoch."""
    first, *others = text.splitlines(keepends=True) or [""]
    if first.strip() != header().strip():
        return header()
    kept_lines = [line for line in others if _epoch(line) <= epoch]
    return "".join([first, *kept_lines])


def read_layers(folder: Path) -> tuple[list[dict[str, float | str | None]], str | None]:
    """Read the rows of an untrusted `layers.csv`.

    Returns:
        The rows, with None for what is missing or not a number, and one line about what is wrong
        with the file; None if nothing is. Rows that cannot be used are left out.
    """
    if not (folder / names.LAYERS).is_symlink() and not (folder / names.LAYERS).exists():
        return [], f"{names.LAYERS} is missing: nothing was measured inside the net"
    try:
        lines = list(csv.DictReader(io.StringIO(read_text(folder, names.LAYERS))))
    except (RunFolderError, csv.Error) as error:
        reason = error.received if isinstance(error, RunFolderError) else str(error)
        return [], f"{printable(reason)[:160]}; nothing is known from inside the net"
    rows = [row for line in lines if (row := _row(line)) is not None]
    if not rows:
        return [], f"{names.LAYERS} has no row that mlptrain wrote"
    wrong = len(lines) - len(rows)
    return rows, f"{names.LAYERS}: {wrong:,} damaged rows were left out" if wrong else None


def _row(line: Mapping[str | None, str | None]) -> dict[str, float | str | None] | None:
    layer, epoch = line.get("layer"), _number(line.get("epoch"))
    is_complete = all(isinstance(line.get(column), str) for column in COLUMNS)
    if not layer or epoch is None or epoch != int(epoch) or epoch < 0 or not is_complete:
        return None
    values: dict[str, float | str | None] = {"epoch": int(epoch), "layer": printable(layer)[:80]}
    for column in (*LAYER_COLUMNS, *NETWORK_COLUMNS):
        values[column] = _number(line.get(column))
    return values


def _number(text: str | None) -> float | None:
    value = finite_number(text)
    return value if value is not None and abs(value) < 1e30 else None


def _cell(value: float | int | str | None) -> float | int | str | None:
    if not isinstance(value, float):
        return value
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


def _epoch(line: str) -> float:
    number = line.partition(",")[0]
    return int(number) if number.isdecimal() else math.inf


def fits(text: str) -> bool:
    """Whether the file may grow to this text and still be read."""
    return len(text) < LIMITS[names.LAYERS]
