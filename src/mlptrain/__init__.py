"""Trains a Keras MLP on CIFAR-10 from one checked config into a folder that explains itself."""

from mlptrain.api import compose, load_model, load_runs, sweep, train

__version__ = "0.1.0"
__all__ = ["compose", "load_model", "load_runs", "sweep", "train"]
