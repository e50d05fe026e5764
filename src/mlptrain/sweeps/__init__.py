"""Grids of runs: cells, folders, launching."""
