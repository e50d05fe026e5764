"""Settings of the whole process: TensorFlow's threads, device and determinism."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from mlptrain.config.schema import Runtime
from mlptrain.errors import ConfigError
from mlptrain.machine import cores, cpu_name


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
        ConfigError: `runtime.device=gpu` and there is none, or `cpu` after the GPU was opened.
    """
    threads = runtime.threads or cores()
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # A worker traces a graph for each cell; TensorFlow would warn of every fifth.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _quiet_stderr():
        import tensorflow as tf

        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            try:
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(threads)
            except RuntimeError:  # a sweep's worker has trained a cell with as many as it has
                threads = tf.config.threading.get_intra_op_parallelism_threads() or cores()
        gpus = tf.config.list_physical_devices("GPU")
        if runtime.device == "gpu" and not gpus:
            raise ConfigError(
                "a GPU that TensorFlow can use for runtime.device=gpu",
                "no such GPU",
                "use runtime.device=auto, or install tensorflow[and-cuda] and a driver",
            )
        if runtime.device == "cpu" and gpus:
            try:
                tf.config.set_visible_devices([], "GPU")
            except RuntimeError:
                raise ConfigError(
                    "the runtime.device that the process started with",
                    "runtime.device=cpu after the GPU was opened",
                    "start a new process, or drop runtime.device=cpu",
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


def prepare_to_read(runtime: Runtime) -> Machine:
    """Do what `prepare` does, for a saved model: with this machine's threads and device."""
    return prepare(runtime.model_copy(update={"threads": None, "device": "auto"}))


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what TensorFlow's C++ prints at import; show it only if the import fails."""
    sys.stderr.flush()
    try:
        original = os.dup(2)
    except OSError:  # no stderr at all
        yield
        return
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(original, 2)
            aside.seek(0)
            os.write(2, aside.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
