"""The subcommands: each file declares the options of one and runs it.

A file holds a typer `app`, whose help and options are all that is loaded before it is known which
subcommand runs; what does the work is imported inside the functions.
"""
