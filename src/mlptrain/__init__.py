"""Trains a Keras MLP on CIFAR-10 from one checked config into a folder that explains itself."""

__version__ = "0.1.0"
