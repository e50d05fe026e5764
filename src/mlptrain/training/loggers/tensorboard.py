"""Event files for TensorBoard, written with TensorFlow alone; `tensorboard` only reads them."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from mlptrain.errors import reason_of
from mlptrain.store import names
from mlptrain.store.run_record import RunRecord


class TensorBoardLogger:
    """One point per epoch, in the layout of Keras's own callback: `train/`, `validation/`.

    A failure to write is logged once in `train.log`; the run continues without event files.
    """

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._writers: list[Any] = []

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Open new event files beside those of earlier epochs."""
        import tensorflow as tf

        folder = self._record.folder.file(names.TENSORBOARD)
        try:
            self._writers = [
                tf.summary.create_file_writer(str(folder / part))
                for part in ("train", "validation")
            ]
        except Exception as error:
            self._give_up(error)

    def log(self, row: Mapping[str, Any]) -> None:
        """Write a row of history.csv, at the step of its epoch."""
        if not self._writers:
            return
        train: dict[str, float | None] = {}
        validation: dict[str, float | None] = {}
        for key in [key for key in row if key not in ("epoch", "seconds")]:
            values = validation if key.startswith("val_") else train
            tag = key if "/" in key else f"epoch_{key.removeprefix('val_')}"
            values[tag] = row[key]
        try:
            for writer, values in zip(self._writers, (train, validation), strict=True):
                _write(writer, values, int(row["epoch"]))
        except Exception as error:
            self._give_up(error)

    def finish(self) -> None:
        """Close the files; every epoch was flushed, so a full disk loses nothing."""
        for writer in self._writers:
            with contextlib.suppress(Exception):
                writer.close()

    def _give_up(self, error: Exception) -> None:
        self.finish()
        self._writers = []
        with contextlib.suppress(OSError):
            self._record.log(
                f"tensorboard: {type(error).__name__}: {reason_of(error)}; the run continues"
            )


def _write(writer: Any, values: Mapping[str, float | None], epoch: int) -> None:
    import tensorflow as tf

    # What TensorBoard's scalar dashboard looks for; tf.summary.scalar needs that package.
    scalar = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    )
    with writer.as_default():
        for tag, value in values.items():
            if value is not None:
                tf.summary.write(tag, tf.constant(value, tf.float32), epoch, scalar)
    writer.flush()
