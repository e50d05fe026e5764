"""The run folder: the one package that knows its file names."""
