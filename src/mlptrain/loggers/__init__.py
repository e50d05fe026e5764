"""Loggers: one module each, found by its name; it holds the `logger` node's schema and its class.

A logger's library is imported when a run starts, so that a config is checked without it.
"""

from importlib import import_module
from pkgutil import iter_modules

from mlptrain.loggers.logger import LoggedRun, LoggerSettings, RunLogger

LOGGERS: dict[str, type[LoggerSettings]] = {
    module.name: import_module(f"{__name__}.{module.name}").Settings
    for module in iter_modules(__path__)
    if module.name != "logger"
}
"""`logger.name` → the schema of its keys, which makes the logger."""

__all__ = ["LOGGERS", "LoggedRun", "LoggerSettings", "RunLogger"]
