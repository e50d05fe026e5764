"""The Ray cluster that trains a sweep: its nodes are checked before a cell is trained.

Imported only for `hydra/launcher=ray`, and in Ray's own processes.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Mapping
from contextlib import ExitStack, chdir
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
from hydra.types import TaskFunction
from omegaconf import DictConfig, OmegaConf
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    OutOfMemoryError,
    RayError,
    RaySystemError,
    WorkerCrashedError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mlptrain.data.shared import shared_folder
from mlptrain.errors import ConfigError
from mlptrain.limits import core_limit
from mlptrain.machine import versions
from mlptrain.store import names

_ADDRESS = "RAY_ADDRESS"
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 300.0
_OBJECT_STORE_BYTES = 80 * 2**20
"""Cells return a word, so a cluster on this machine needs little more than Ray's minimum."""

_SEE_SETTINGS = "see the hydra.launcher.ray.* settings of the command"
_SAME_PACKAGES = "install the same packages on all nodes, then start Ray there again"


@dataclass(frozen=True)
class _Surroundings:
    """What a job takes over from the command, as a child process would."""

    folder: str = field(default_factory=os.getcwd)
    variables: Mapping[str, str] = field(
        default_factory=lambda: {k: v for k, v in os.environ.items() if k.startswith("MLPTRAIN_")}
    )

    def enter(self) -> None:
        os.chdir(self.folder)
        os.environ.update(self.variables)


class _Node:
    """An actor on a node: it has the folder of the arrays that the jobs there share."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def versions(self) -> dict[str, str]:
        return versions()

    def share(self, surroundings: _Surroundings) -> Path | None:
        surroundings.enter()
        return self._stack.enter_context(shared_folder())

    def sees(self, path: Path) -> bool:
        return path.is_file()

    def close(self) -> None:
        self._stack.close()


class RayCluster:
    """The connection to a Ray cluster, or to a local one where none is running.

    Args:
        settings: `hydra.launcher.ray`: keyword arguments of `ray.init` and of `ray.remote`.

    Attributes:
        lost_worker: Ray's errors for a job whose process or node was lost more often than Ray
            tries again.
    """

    lost_worker = (
        LocalRayletDiedError,
        NodeDiedError,
        OutOfMemoryError,
        RaySystemError,
        WorkerCrashedError,
    )

    def __init__(self, settings: DictConfig) -> None:
        self._init: Any = OmegaConf.to_container(settings.init, resolve=True)
        self._remote: Any = OmegaConf.to_container(settings.remote, resolve=True)
        self._is_owner = not ray.is_initialized()  # else it belongs to who calls mlptrain
        self._actors: dict[str, Any] = {}

    def check(self) -> int:
        """Connect; return how many jobs the nodes can run at the same time.

        Raises:
            ConfigError: Ray refuses the settings, no cluster answers, or no node can run a job.
        """
        try:
            ray.remote(_train_on_node).options(**self._remote)
        except (AssertionError, TypeError, ValueError) as error:
            raise ConfigError(
                "settings that ray.remote accepts", _last_line(error), _SEE_SETTINGS
            ) from None
        self._connect()
        if slots := sum(_slots(node, self._needs()) for node in ray.nodes()):
            return slots
        needs = ", ".join(f"{amount:g} {name}" for name, amount in self._needs().items())
        nodes = "; ".join(_resources(node) for node in ray.nodes() if node["Alive"])
        self.disconnect()
        raise ConfigError(
            f"a node of the Ray cluster with {needs}, which a job needs",
            nodes,
            "ask for less with hydra.launcher.ray.remote, or add such a node to the cluster",
        )

    def on_nodes(self, task: partial[str], sweep: Path) -> TaskFunction:
        """Return what does a task on a node, with the arrays that the node's jobs share.

        Args:
            task: trains a cell, with a supervisor.
            sweep: the sweep's folder.

        Raises:
            ConfigError: a node has other versions of the packages, or does not see the sweep.
        """
        self._connect()
        surroundings, here = _Surroundings(), versions()
        nodes = [node["NodeID"] for node in ray.nodes() if _slots(node, self._needs())]
        for node in nodes:
            place = NodeAffinitySchedulingStrategy(node, soft=False)
            actor = ray.remote(_Node).options(num_cpus=0, scheduling_strategy=place)
            self._actors[node] = actor.remote()
        try:
            for there in self._answers("versions"):
                if differing := [
                    f"{name} {there[name]}" for name in here if there[name] != here[name]
                ]:
                    raise ConfigError(
                        "the same versions on every node as here, for the same results",
                        f"a node with {', '.join(differing)}",
                        _SAME_PACKAGES,
                    )
            if not all(self._answers("sees", sweep / names.SWEEP)):
                raise ConfigError(
                    "a folder for the sweep that every node of the Ray cluster sees",
                    f"{sweep}, which is missing on a node",
                    "set output_root to a folder on a disk that all nodes share, at the same path",
                )
            folders = dict(zip(nodes, self._answers("share", surroundings), strict=True))
        except RayError as error:
            raise ConfigError(
                "mlptrain, and the current folder, on every node of the Ray cluster",
                _last_line(error),
                _SAME_PACKAGES,
            ) from None
        return partial(_train_on_node, task=task, surroundings=surroundings, folders=folders)

    def disconnect(self) -> None:
        """Remove the shared arrays and end the processes that Ray has started for the command."""
        if closing := self._call("close"):
            ray.wait(closing, num_returns=len(closing), timeout=_CONNECT_SECONDS)
        self._actors = {}
        if self._is_owner:
            ray.shutdown()

    def _call(self, method: str, *arguments: Any) -> list[Any]:
        return [getattr(actor, method).remote(*arguments) for actor in self._actors.values()]

    def _answers(self, method: str, *arguments: Any) -> list[Any]:
        return list(ray.get(self._call(method, *arguments), timeout=_ANSWER_SECONDS))

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        handler = signal.getsignal(signal.SIGTERM)
        settings = {"log_to_driver": False, "logging_level": logging.ERROR, **self._init}
        address = settings.pop("address", None)
        try:
            # Ray adds the current folder to the path of its workers, where the user's own files
            # would hide packages.
            with chdir(os.sep):
                if address is not None or _ADDRESS in os.environ:
                    address = address or os.environ[_ADDRESS]
                    _require_answer(address)
                    ray.init(address, **settings)
                else:
                    try:
                        ray.init("auto", **settings)
                    except ConnectionError:
                        local = {"num_cpus": core_limit()[0], "include_dashboard": False}
                        local["object_store_memory"] = _OBJECT_STORE_BYTES
                        ray.init("local", **local | settings)
        except (AssertionError, OSError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(
                "a Ray cluster that answers, with settings that ray.init accepts",
                _last_line(error),
                _SEE_SETTINGS,
            ) from None
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)  # Ray has replaced it

    def _needs(self) -> dict[str, float]:
        listed = {"CPU": self._remote.get("num_cpus", 1), "GPU": self._remote.get("num_gpus")}
        listed |= {"memory": self._remote.get("memory"), **(self._remote.get("resources") or {})}
        return {name: float(amount) for name, amount in listed.items() if amount}


def _train_on_node(
    composed: DictConfig,
    task: partial[str],
    surroundings: _Surroundings,
    folders: Mapping[str, Path | None],
) -> str:
    """Do a task, such as `train_cell`, in a process of Ray's."""
    surroundings.enter()
    shared = folders.get(ray.get_runtime_context().get_node_id())  # None on a node that came later
    return task(composed, supervisor=replace(task.keywords["supervisor"], shared=shared))


def _slots(node: Mapping[str, Any], needs: Mapping[str, float]) -> int:
    """Return how many jobs with these needs run on a node at the same time."""
    if not node["Alive"]:
        return 0
    counts = (node["Resources"].get(name, 0) // need for name, need in needs.items())
    return int(min(counts, default=node["Resources"].get("CPU", 1)))


def _resources(node: Mapping[str, Any]) -> str:
    listed = {
        k: v for k, v in node["Resources"].items() if ":" not in k and "object_store" not in k
    }
    return ", ".join(f"{amount:g} {name}" for name, amount in sorted(listed.items()))


def _require_answer(address: str) -> None:
    """Check that something listens at an address; Ray itself would wait for minutes, in silence.

    Raises:
        OSError: nothing does.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdecimal():
        try:
            socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise ConnectionError(f"nothing that answers at {address}: {error}") from None


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
