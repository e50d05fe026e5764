"""Figures and tables made from a finished run; never imports TensorFlow."""
