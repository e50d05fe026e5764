"""The study's final stage in plain Keras, as its notebook writes it: what mlptrain is compared to.

    python benchmarks/plain_keras.py --epochs 30 --seed 42

It gives up no speed that a notebook has and gains none that a notebook lacks: float arrays in
memory, each step under a name of its own as in cells that can be run again, `Sequential`,
`model.fit`. Two things are in this program's favour: TensorBoard logging, which the study only
prepares, is left out, and the noise is made float32, where NumPy would make the training set
float64. The images are mlptrain's verified copy of CIFAR-10, so that both train on the same.
"""

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
from keras import layers
from sklearn.preprocessing import StandardScaler

from mlptrain.data.sources import locate_cifar10


class EpochTimer(keras.callbacks.Callback):
    """Seconds of each epoch, with its validation and its checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Note the epoch's seconds."""
        self.seconds.append(time.perf_counter() - self.started)


def build_model(learning_rate: float = 1e-3) -> keras.Model:
    """Return the study's final model, compiled: 1,750,346 parameters."""
    model = keras.Sequential([keras.Input((3072,))])
    for units in (512, 256, 128, 64):
        model.add(
            layers.Dense(
                units,
                activation="relu",
                kernel_initializer="he_normal",
                kernel_regularizer=keras.regularizers.l2(1e-4),
            )
        )
        model.add(layers.BatchNormalization())
        model.add(layers.Dropout(0.3))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def train(epochs: int, seed: int, learning_rate: float, folder: str) -> dict[str, Any]:
    """Train and evaluate; return the seconds of each epoch and the accuracies (0 to 1)."""
    keras.utils.set_random_seed(seed)
    data = locate_cifar10(None, print).arrays

    x = data.train_images.astype("float32") / 127.5 - 1
    x_test = data.test_images.astype("float32") / 127.5 - 1
    y, y_test = data.train_labels, data.test_labels

    split = len(x) // 10
    x_val, y_val = x[:split], y[:split]
    x_train, y_train = x[split:], y[split:]
    print("train", x_train.shape, "validation", x_val.shape, "test", x_test.shape)

    x_train_flat = x_train.reshape(len(x_train), -1)
    x_val_flat = x_val.reshape(len(x_val), -1)
    x_test_flat = x_test.reshape(len(x_test), -1)

    scaler = StandardScaler()
    x_train_scaled = scaler.fit_transform(x_train_flat)
    x_val_scaled = scaler.transform(x_val_flat)
    x_test_scaled = scaler.transform(x_test_flat)

    shape = x_train_scaled.shape
    x_train_noisy = x_train_scaled + np.random.normal(0, 0.01, shape).astype("float32")

    model = build_model(learning_rate)
    model.summary()
    timer = EpochTimer()
    history = model.fit(
        x_train_noisy,
        y_train,
        batch_size=64,
        epochs=epochs,
        validation_data=(x_val_scaled, y_val),
        verbose=2,
        callbacks=[
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=5, restore_best_weights=True
            ),
            keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3),
            keras.callbacks.ModelCheckpoint(f"{folder}/best_model.keras", save_best_only=True),
            timer,
        ],
    )

    results: dict[str, Any] = {"seed": seed, "epochs_run": len(history.epoch)}
    parts = {
        "train": (x_train_scaled, y_train),
        "val": (x_val_scaled, y_val),
        "test": (x_test_scaled, y_test),
    }
    for part, (images, labels) in parts.items():
        _, accuracy = model.evaluate(images, labels, verbose=0)
        print(f"{part} accuracy: {accuracy:.4f}")
        results[f"{part}_accuracy"] = accuracy
    print("parameters:", model.count_params())
    return results | {"parameters": model.count_params(), "seconds": timer.seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description="The study's final stage in plain Keras.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        results = train(arguments.epochs, arguments.seed, arguments.learning_rate, folder)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
