"""Event files for TensorBoard, written with TensorFlow alone; `tensorboard` only reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

# What TensorBoard's scalar dashboard looks for; tf.summary.scalar itself needs that package.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
)


class EpochLogger:
    """One point per epoch, in the layout of Keras's own callback: `train/`, `validation/`."""

    def __init__(self, folder: Path) -> None:
        self._train = tf.summary.create_file_writer(str(folder / "train"))
        self._validation = tf.summary.create_file_writer(str(folder / "validation"))

    def log(self, row: Mapping[str, Any]) -> None:
        """Write a row of history.csv, at the step of its epoch."""
        epoch = int(row["epoch"])
        train = {
            "epoch_loss": row["loss"],
            "epoch_accuracy": row["accuracy"],
            "epoch_learning_rate": row["learning_rate"],
        }
        validation = {"epoch_loss": row["val_loss"], "epoch_accuracy": row["val_accuracy"]}
        for writer, figures in ((self._train, train), (self._validation, validation)):
            with writer.as_default():
                for tag, value in figures.items():
                    if value is not None:
                        tf.summary.write(tag, tf.constant(value, tf.float32), epoch, _SCALAR)
            writer.flush()

    def close(self) -> None:
        """Finish the files."""
        self._train.close()
        self._validation.close()
