"""`python -m mlptrain` is the same command as `mlptrain`."""

from mlptrain.cli import main

main()
