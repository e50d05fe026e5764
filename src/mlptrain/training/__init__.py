"""The epoch loop, callbacks, schedules, checkpoint and resume, live progress."""
