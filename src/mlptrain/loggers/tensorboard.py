"""Event files for TensorBoard, written with TensorFlow alone; `tensorboard` only reads them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from mlptrain.loggers.logger import LoggedRun, LoggerSettings, RunLogger


class Settings(LoggerSettings):
    """No keys of its own."""

    name: Literal["tensorboard"]

    def make(self, run: LoggedRun) -> RunLogger | None:
        """Return the logger; None with `artifacts=minimal`."""
        return TensorBoardLogger(run) if run.config["artifacts"] == "full" else None


class TensorBoardLogger(RunLogger):
    """One point per epoch, in the layout of Keras's own callback: `train/`, `validation/`."""

    opens_again: ClassVar[bool] = False

    def open(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Open new event files beside those of earlier epochs."""
        import tensorflow as tf

        folder = self.run.folder / "tensorboard"
        self._writers = [
            tf.summary.create_file_writer(str(folder / part)) for part in ("train", "validation")
        ]

    def send(self, row: Mapping[str, Any]) -> None:
        """Write a row of history.csv, at the step of its epoch."""
        train: dict[str, float | None] = {}
        validation: dict[str, float | None] = {}
        for key in [key for key in row if key not in ("epoch", "seconds")]:
            values = validation if key.startswith("val_") else train
            tag = key if "/" in key else f"epoch_{key.removeprefix('val_')}"
            values[tag] = row[key]
        for writer, values in zip(self._writers, (train, validation), strict=True):
            _write(writer, values, int(row["epoch"]))

    def close(self) -> None:
        """Close the files; every epoch was flushed, so a full disk loses nothing."""
        for writer in self._writers:
            writer.close()


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
