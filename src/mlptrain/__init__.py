"""Trains a Keras MLP on CIFAR-10 from one checked config and leaves a run folder that explains itself."""

__version__ = "0.1.0"
