"""`python -m mlptrain` is the same command as `mlptrain`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working directory: a user's random.py in it is not Python's

from mlptrain.cli import main

main()
