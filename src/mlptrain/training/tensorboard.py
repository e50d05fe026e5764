"""Event files for TensorBoard, written with TensorFlow alone; `tensorboard` only reads them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class TensorBoardLogger:
    """One point per epoch, in the layout of Keras's own callback: `train/`, `validation/`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: list[Any] = []

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Open the files; those of earlier epochs stand beside them."""
        import tensorflow as tf

        self._writers = [
            tf.summary.create_file_writer(str(self._folder / part))
            for part in ("train", "validation")
        ]

    def log(self, row: Mapping[str, Any]) -> None:
        """Write a row of history.csv, at the step of its epoch."""
        import tensorflow as tf

        # What TensorBoard's scalar dashboard looks for; tf.summary.scalar needs that package.
        scalar = tf.compat.v1.SummaryMetadata(
            plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        )
        epoch = int(row["epoch"])
        train = {
            "epoch_loss": row["loss"],
            "epoch_accuracy": row["accuracy"],
            "epoch_learning_rate": row["learning_rate"],
        }
        validation = {"epoch_loss": row["val_loss"], "epoch_accuracy": row["val_accuracy"]}
        for writer, figures in zip(self._writers, (train, validation), strict=True):
            with writer.as_default():
                for tag, value in figures.items():
                    if value is not None:
                        tf.summary.write(tag, tf.constant(value, tf.float32), epoch, scalar)
            writer.flush()

    def finish(self) -> None:
        """Close the files; every epoch was flushed, so a disk that is full by now costs nothing."""
        for writer in self._writers:
            with contextlib.suppress(Exception):
                writer.close()
