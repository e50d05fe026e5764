"""Engine, epoch loop, checkpoint and resume, results, live progress."""
