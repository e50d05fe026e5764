"""Races: seeds are added until the best configuration is known, or known to be tied."""
