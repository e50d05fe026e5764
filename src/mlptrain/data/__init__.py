"""CIFAR-10: its files and their sources, shared arrays, scaling."""
