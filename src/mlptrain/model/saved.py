"""Saved models, read without trusting them: rebuilt from the run's checked config.

`model.keras` is a zip of a JSON config and an HDF5 file of weights. Keras would build whatever
the JSON names. Here only two things are taken from it: the scaling's constants and the weights,
as plain arrays of the shapes that the config asks for.
"""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from mlptrain.config.schema import Config
from mlptrain.config.sizes import parameter_count
from mlptrain.data.scaling import PixelStatistics
from mlptrain.errors import RunFolderError, printable
from mlptrain.families import MOST_LAYERS
from mlptrain.model.mlp import build_mlp
from mlptrain.store import names

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MOST_CONFIG = 8 << 20
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, EOFError,
    RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""Whatever a damaged or crafted zip, JSON or HDF5 file can make its readers raise."""


def load_classifier(folder: Path, config: Config) -> keras.Model:
    """Return the trained classifier of a run: raw uint8 (n, side, side, 3) → probabilities.

    Args:
        folder: the run's.
        config: the run's, checked.

    Raises:
        RunFolderError: there is no model, or it is not what the config describes.
    """
    path = folder / names.MODEL
    # Weights, the optimizer's (at most three more copies), and HDF5's own bookkeeping.
    parameters = parameter_count(config)
    most_weights = 16 * parameters + (4 << 20)
    try:
        if path.is_symlink() or not path.is_file():
            raise ValueError("there is no such file; artifacts=minimal writes none")
        # Keras does not compress weights: a file that is too small cannot hold them.
        size = path.stat().st_size
        layers = config.model.count_layers()
        if layers > MOST_LAYERS:  # only in an untrusted folder: `validate` refuses such configs
            raise ValueError(f"{layers} hidden layers")
        if size < 4 * parameters:
            raise ValueError(f"{size:,} bytes cannot hold the {parameters:,} parameters")
        if size > most_weights + _MOST_CONFIG:
            raise ValueError(f"{size:,} bytes for {parameters:,} parameters")
        with zipfile.ZipFile(path) as archive:
            described = json.loads(_member(archive, _CONFIG, _MOST_CONFIG))
            weights = _member(archive, _WEIGHTS, most_weights)
        standardize = config.data.scaling == "standardize"
        statistics = _statistics(described, config.data.features()) if standardize else None
        mlp = build_mlp(config, statistics)
        with h5py.File(io.BytesIO(weights), "r") as file:
            mlp.network.set_weights(list(_arrays(file, mlp.network)))
    except _UNREADABLE as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise RunFolderError(
            f"{names.MODEL} of the run's own config in {folder}",
            printable(reason[0][:200]),
            "use a run that finished with artifacts=full",
        ) from None
    return mlp.classifier


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return a member's bytes; the unpacked size is bounded, whatever the header says."""
    with archive.open(name) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{name} unpacks to more than {most:,} bytes")
    return content


def _statistics(described: Any, size: int) -> PixelStatistics:
    """Return the constants of the one Normalization layer, float64 (size,) each."""
    layers = described["config"]["layers"]
    (constants,) = [layer["config"] for layer in layers if layer["class_name"] == "Normalization"]
    mean, variance = (
        np.array(constants[key], np.float64).reshape(-1) for key in ("mean", "variance")
    )
    if mean.shape != (size,) or variance.shape != (size,):
        raise ValueError(f"scaling constants for {mean.size} values, not for {size}")
    if not np.isfinite(mean).all() or not (np.isfinite(variance) & (variance >= 0)).all():
        raise ValueError("scaling constants that are not finite, or a negative variance")
    return PixelStatistics(mean, variance)


def _arrays(file: h5py.File, network: keras.Model) -> Iterator[np.ndarray]:
    """Yield the network's weights in its order; Keras numbers layers of a class as they come."""
    seen: dict[str, int] = {}
    for layer in network.layers:
        weights = layer.get_weights()
        kind = _in_snake_case(type(layer).__name__)
        number = seen[kind] = seen.get(kind, -1) + 1
        group = f"layers/{kind}{f'_{number}' if number else ''}/vars"
        for index, weight in enumerate(weights):
            yield _array(file, f"{group}/{index}", weight.shape)


def _in_snake_case(name: str) -> str:
    """Return what Keras calls layers of a class in its file: `PReLU` becomes `p_re_lu`."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _array(file: h5py.File, path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return one dataset, which must be in this very file: a link could lead to any other."""
    node: Any = file
    for part in path.split("/"):
        is_group = isinstance(node, h5py.Group)
        if not is_group or not isinstance(node.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{path} is missing, or a link to elsewhere")
        node = node[part]
    if not isinstance(node, h5py.Dataset) or node.is_virtual or node.external:
        raise ValueError(f"{path} is not a dataset of this file")
    if node.shape != shape or node.dtype.kind != "f":
        raise ValueError(f"{path} has shape {node.shape}, the config asks for {shape}")
    # A compressed piece may be far larger than the array that it is a part of.
    if node.chunks is not None and np.prod(node.chunks, dtype=float) > max(node.size, 1 << 20):
        raise ValueError(f"{path} is stored in pieces of {node.chunks}")
    with np.errstate(over="ignore"):
        array = np.asarray(node[()], np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{path} holds values that are not finite")
    return array
