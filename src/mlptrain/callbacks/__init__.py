"""Callbacks: one module each, found by its name; it holds the callback's settings and its class.

They decide in plain Python, so that a config is checked and a decision is tested without
TensorFlow.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from mlptrain.callbacks.callback import Callback, CallbackSettings, MonitorSettings

_modules = [
    import_module(f"{__name__}.{module.name}")
    for module in iter_modules(__path__)
    if module.name != "callback"
]
CALLBACKS: dict[str, type[CallbackSettings]] = {
    module.__name__.rpartition(".")[2]: module.Settings
    for module in sorted(_modules, key=lambda module: module.Settings.position)
}
"""Key below `callbacks` → the schema of its settings, which makes the callback."""


def make_callbacks(
    settings: Mapping[str, CallbackSettings], learning_rate: float
) -> dict[str, Callback]:
    """Return the callbacks of a run by name.

    Args:
        settings: of the callbacks that are switched on. Where one of them needs the best weights,
            a checkpoint that monitors the same metric is among the result.
        learning_rate: the optimizer's rate from the config.
    """
    callbacks = {name: node.make(learning_rate) for name, node in settings.items()}
    for node in settings.values():
        if isinstance(node, MonitorSettings) and node.keeps_best and "checkpoint" not in callbacks:
            from mlptrain.callbacks.checkpoint import Checkpoint

            callbacks["checkpoint"] = Checkpoint(node.monitor)
    return callbacks


__all__ = ["CALLBACKS", "Callback", "CallbackSettings", "MonitorSettings", "make_callbacks"]
