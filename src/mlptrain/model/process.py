"""Settings of the whole process: TensorFlow's threads, device and determinism."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from mlptrain.config.schema import Runtime
from mlptrain.crash import quiet_stderr
from mlptrain.errors import ConfigError
from mlptrain.machine import cores, cpu_name, use_temporary_folder

_KERAS_FOLDER = "KERAS_HOME"


@dataclass(frozen=True)
class Machine:
    """What the run computes on; `accelerator` is the GPU's name, or None."""

    cpu: str
    cores: int
    threads: int
    accelerator: str | None


def prepare(runtime: Runtime) -> Machine:
    """Import TensorFlow and set it up; the first call in a process counts.

    Raises:
        ConfigError: `runtime.device=gpu` and there is none, or `cpu` after the GPU was opened; or
            Keras was imported with another backend.
    """
    use_temporary_folder()
    threads = runtime.threads or cores()
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # A worker traces a graph for each cell; TensorFlow would warn of every fifth.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with quiet_stderr():
        with _without_settings_of_keras():
            import keras
            import tensorflow as tf

        _set_up_keras(keras)
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            try:
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(threads)
            except RuntimeError:  # a sweep's worker has trained a cell with as many as it has
                threads = tf.config.threading.get_intra_op_parallelism_threads() or cores()
        gpus = tf.config.list_physical_devices("GPU")
        if runtime.device == "gpu" and not gpus:
            raise _no_gpu()
        if runtime.device == "cpu" and gpus:
            try:
                tf.config.set_visible_devices([], "GPU")
            except RuntimeError:
                raise ConfigError(
                    "the runtime.device that the process started with",
                    "runtime.device=cpu after the GPU was opened",
                    "start a new process, or leave out runtime.device=cpu",
                ) from None
            gpus = []
        for gpu in gpus:
            with suppress(RuntimeError):  # TensorFlow was used before us, and has opened it
                tf.config.experimental.set_memory_growth(gpu, True)
        if runtime.deterministic:
            tf.config.experimental.enable_op_determinism()
        name = None
        if gpus:
            details = tf.config.experimental.get_device_details(gpus[0])
            name = str(details.get("device_name", gpus[0].name))
        tf.zeros(()).numpy()  # opens the devices while stderr is quiet
    return Machine(cpu_name(), cores(), threads, name)


def check_machine(runtimes: Iterable[Runtime]) -> None:
    """Refuse, before anything is written, what this machine cannot do.

    Raises:
        ConfigError: there is no folder for temporary files, or no GPU for `runtime.device=gpu`.
    """
    use_temporary_folder()
    if any(runtime.device == "gpu" for runtime in runtimes) and not finds_gpu():
        raise _no_gpu()


@cache
def finds_gpu() -> bool:
    """Return whether TensorFlow finds a GPU that it can use.

    It is asked in a process of its own: the one that asks keeps memory of the GPU.
    """
    code = "import tensorflow as tf, sys; sys.exit(not tf.config.list_physical_devices('GPU'))"
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, capture_output=True, check=False).returncode != 1


def _no_gpu() -> ConfigError:
    return ConfigError(
        "a GPU that TensorFlow can use for runtime.device=gpu",
        "no such GPU",
        "use runtime.device=auto, or install tensorflow[and-cuda] and a driver",
    )


def prepare_to_read(runtime: Runtime) -> Machine:
    """Do what `prepare` does, for a saved model: with this machine's threads and device."""
    return prepare(runtime.model_copy(update={"threads": None, "device": "auto"}))


@contextmanager
def _without_settings_of_keras() -> Iterator[None]:
    """Keep Keras from reading or writing the user's `keras.json` when it is imported.

    The file would change results behind the config's back, and a damaged one ends the import.
    """
    before = os.environ.get(_KERAS_FOLDER)
    os.environ[_KERAS_FOLDER] = f"{os.devnull}/keras"  # nothing can be there
    try:
        yield
    finally:
        del os.environ[_KERAS_FOLDER]
        if before is not None:
            os.environ[_KERAS_FOLDER] = before


def _set_up_keras(keras: Any) -> None:
    """Give Keras its own defaults, also where it was imported before, as in a notebook."""
    if keras.config.backend() != "tensorflow":
        raise ConfigError(
            "Keras with its TensorFlow backend",
            f"Keras, already imported with {keras.config.backend()}",
            "start a new process, and call mlptrain there before Keras is imported",
        )
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
