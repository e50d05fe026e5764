"""The end of a run: score the chosen weights once and write all that describes them."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mlptrain.augmentations.augmentation import Mix
from mlptrain.config.recipe import recipe_line
from mlptrain.config.schema import Config
from mlptrain.data.dataset import Dataset
from mlptrain.figures.artifacts import write_classification, write_inside, write_pictures
from mlptrain.model.optimizers import optimizer_to_save
from mlptrain.scores import MANY_CLASSES, top5_accuracy
from mlptrain.store import names
from mlptrain.store.layers import NETWORK, read_layers
from mlptrain.store.reading import LIMITS
from mlptrain.store.run_folder import RunFolder
from mlptrain.training.engine import Engine
from mlptrain.training.loop import Trained

_SAMPLES = 16


def write_results(
    folder: RunFolder, config: Config, engine: Engine, dataset: Dataset, trained: Trained
) -> dict[str, Any]:
    """Score train (clean), validation and test; write every artifact.

    Args:
        folder: of the run.
        config: of the run.
        engine: holds the chosen weights.
        dataset: the three splits, images uint8 (n, side, side, 3), labels uint8 (n,).
        trained: what training ended with.

    Returns:
        The content of `metrics.json`.
    """
    train = engine.evaluate(dataset.train)
    test = engine.evaluate(dataset.test)
    validation = engine.evaluate(dataset.validation) if len(dataset.validation) else None
    metrics: dict[str, Any] = {
        "train_accuracy": train.accuracy,
        "train_loss": train.loss,
        "val_accuracy": validation.accuracy if validation else None,
        "val_loss": validation.loss if validation else None,
        "val_macro_f1": validation.macro_f1 if validation else None,
        "test_accuracy": test.accuracy,
        "test_loss": test.loss,
        "test_macro_f1": test.macro_f1,
        "parameters": engine.mlp.network.count_params(),
        "best_epoch": trained.best_epoch,
        "epochs_run": len(trained.history),
        "seconds": round(sum(row["seconds"] for row in trained.history), 3),
        "reason": trained.reason,
    }
    top5 = None
    if len(dataset.class_names) > MANY_CLASSES:
        top5 = top5_accuracy(dataset.test.labels, test.probabilities)
        metrics["test_top5_accuracy"] = top5
    scored = validation.probabilities if validation else np.zeros((0, test.probabilities.shape[1]))
    classes = validation.predicted if validation else np.zeros(0)
    predictions: dict[str, np.ndarray] = {
        "test_probabilities": test.probabilities.astype(np.float16),
        "test_predicted": test.predicted.astype(np.uint8),
        "test_labels": dataset.test.labels,
        "validation_probabilities": scored.astype(np.float16),
        "validation_predicted": classes.astype(np.uint8),
        "validation_labels": dataset.validation.labels,
    }
    # Space for headers, and for what cannot be compressed: whatever is written must be readable.
    if sum(array.nbytes for array in predictions.values()) < 0.99 * LIMITS[names.PREDICTIONS]:
        folder.write(
            names.PREDICTIONS,
            lambda stream: np.savez_compressed(stream, **predictions),  # type: ignore[arg-type]
        )
    matrix = write_classification(
        folder, dataset.test.labels, test.predicted, dataset.class_names, top5
    )
    if config.artifacts == "full":
        _save_model(folder, config, engine)
        write_pictures(
            folder,
            trained.history,
            trained.best_epoch,
            matrix,
            dataset.class_names,
            (dataset.train.images[:_SAMPLES], dataset.train.labels[:_SAMPLES]),
            recipe_line(config),
            _training_conditions(config),
        )
        _write_inside(folder, config, engine)
    folder.write_json(names.METRICS, metrics)
    return metrics


def _write_inside(folder: RunFolder, config: Config, engine: Engine) -> None:
    """Draw what was measured inside the net, and the weights of its first layer."""
    measured = read_layers(folder.path)[0] if config.instruments == "on" else []
    rows = [row for row in measured if row["layer"] != NETWORK]
    first = next(layer for layer in engine.mlp.network.layers if hasattr(layer, "kernel"))
    kernel = np.asarray(first.kernel, np.float32)
    side = config.model.patch_side(config.data.image_side())
    write_inside(folder, rows, kernel, side, recipe_line(config))


def _training_conditions(config: Config) -> list[str]:
    """Return what makes training metrics harder than those of validation, for the picture."""
    is_mixed = any(isinstance(a, Mix) for a in config.active_augmentations().values())
    drops = [key for key in ("dropout", "drop_path") if getattr(config.model, key, 0)]
    return [f"{key.replace('_', ' ')} on" for key in drops] + ["mixed images"] * is_mixed


def _save_model(folder: RunFolder, config: Config, engine: Engine) -> None:
    """Write `model.keras`, compiled with the config's learning rate, for fine-tuning.

    The rate of the last step would be next to nothing after most schedules.
    """
    engine.optimizer.learning_rate = config.optimizer.learning_rate
    classifier = engine.mlp.classifier
    classifier.compile(
        optimizer=optimizer_to_save(engine.optimizer),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    aside = Path(folder.path, f".{os.getpid()}.part.keras")
    try:
        keras.saving.save_model(classifier, aside)
        aside.replace(folder.file(names.MODEL))
    finally:
        aside.unlink(missing_ok=True)
